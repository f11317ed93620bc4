"""Compute the score table of a study from the predictions of its cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ppi.errors import InputError
from ppi.evaluation.strata import NOVELTY_IDENTITY, SMALLEST_STRATUM
from ppi.metrics import METRICS, cap_labels
from ppi.study.cell import PREDICTIONS_FILE, RESULT_FILE, read_json
from ppi.study.cells import Cell
from ppi.study.plan import StudyPlan
from ppi.study.splits import PARTS, ROW_COLUMNS, SPLITS_FOLDER, read_rows, reference_rows

TABLE_METRICS = ("spearman", "pearson", "rmse", "mae")
#: Score by which configurations are sorted and chosen.
CHOICE = "validation_spearman"


@dataclass(frozen=True)
class SplitResults:
    """The predictions on one split.

    Attributes
    ----------
    name
        Name of the split.
    rows
        ``N`` complexes of validation and test; see `ppi.study.splits.reference_rows`.
    predicted
        ``(S, N)`` pKd by configuration, one row per seed.
    seconds
        Mean training time of a cell, by configuration.
    """

    name: str
    rows: pd.DataFrame
    predicted: dict[str, np.ndarray]
    seconds: dict[str, float]

    @property
    def test(self) -> np.ndarray:
        """``(N,)`` bool: whether each row is in the test part."""
        return (self.rows["part"] == "test").to_numpy()

    def baselines(self) -> dict[str, np.ndarray]:
        """Return ``(1, N)`` pKd by baseline."""
        names = [name for name in self.rows if name not in ROW_COLUMNS]
        return {str(name): self.rows[name].to_numpy()[None] for name in names}


def read_results(plan: StudyPlan) -> list[SplitResults]:
    """Read the predictions of the finished cells; a split without predictions is skipped.

    Splits that are scored together, the folds of a cross-validation, give one result of their concatenated
    rows. A configuration and seed enters it only if all of them are finished.

    Raises
    ------
    InputError
        If predictions belong to other complexes than those of their split.
    """
    parts: dict[str, list[_CellResults]] = {}
    finished = plan.finished()
    for name, split in plan.splits.items():
        cells = [cell for cell in finished if cell.split == name]
        parts.setdefault(split.scored_as, []).append(_read_split(plan, name, cells))
    found = (_joined(name, of_name) for name, of_name in parts.items())
    return [result for result in found if result.predicted]


@dataclass(frozen=True)
class _CellResults:
    """Rows of one split; pKd and training time of its finished cells, by configuration and seed."""

    rows: pd.DataFrame
    predicted: dict[tuple[str, int], np.ndarray]
    seconds: dict[tuple[str, int], float]


def _read_split(plan: StudyPlan, name: str, cells: Sequence[Cell]) -> _CellResults:
    if not cells:
        return _CellResults(pd.DataFrame(), {}, {})
    rows = reference_rows(plan.splits[name], plan.folder / SPLITS_FOLDER / name)
    predicted: dict[tuple[str, int], np.ndarray] = {}
    seconds: dict[tuple[str, int], float] = {}
    for cell in cells:
        path = plan.cell_folder(cell) / PREDICTIONS_FILE
        found = read_rows(path)
        if not found["id"].equals(rows["id"]):
            raise InputError(
                f"{path}: other complexes than those of the split; delete the folder of this cell"
            )
        key = (cell.configuration, cell.seed)
        predicted[key] = found["predicted"].to_numpy()
        seconds[key] = read_json(plan.cell_folder(cell) / RESULT_FILE)["training_seconds"]
    return _CellResults(rows, predicted, seconds)


def _joined(name: str, parts: Sequence[_CellResults]) -> SplitResults:
    """Return the results of splits that are scored together, of the cells that all of them have."""
    common = [key for key in parts[0].predicted if all(key in part.predicted for part in parts)]
    predicted: dict[str, list[np.ndarray]] = {}
    seconds: dict[str, list[float]] = {}
    for configuration, seed in common:
        key = (configuration, seed)
        joined = np.concatenate([part.predicted[key] for part in parts])
        predicted.setdefault(configuration, []).append(joined)
        seconds.setdefault(configuration, []).extend(part.seconds[key] for part in parts)
    return SplitResults(
        name,
        pd.concat([part.rows for part in parts], ignore_index=True),
        {item: np.stack(values) for item, values in predicted.items()},
        {item: float(np.mean(values)) for item, values in seconds.items()},
    )


def score_table(results: Sequence[SplitResults], given: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Score configurations and baselines.

    Parameters
    ----------
    results
        Results of each split.
    given
        Varied settings by configuration.

    Returns
    -------
    DataFrame
        One row per split and predictor, by split, configurations first, each by decreasing validation
        Spearman: ``split, kind`` (configuration or baseline), ``predictor``, a column for each setting that
        is varied, ``seeds``, ``training_seconds``, ``test_similar_n, test_new_n``, and for each score of
        `scores_of` ``NAME_mean, NAME_sd`` (over seeds; NaN for one) and ``NAME_ensemble`` (of the mean
        prediction of the seeds).
    """
    rows = []
    for result in results:
        similar = (result.rows["identity"] >= NOVELTY_IDENTITY).to_numpy()
        shared = {
            "test_similar_n": int((similar & result.test).sum()),
            "test_new_n": int((~similar & result.test).sum()),
        }
        for kind, predicted in (("configuration", result.predicted), ("baseline", result.baselines())):
            lines = []
            for name, values in predicted.items():
                facts = {"split": result.name, "kind": kind, "predictor": name, **given.get(name, {})}
                facts |= {
                    "seeds": len(values),
                    "training_seconds": result.seconds.get(name, np.nan),
                    **shared,
                }
                lines.append(facts | _over_seeds(result.rows, values))
            rows += sorted(lines, key=lambda line: -line[f"{CHOICE}_mean"])
    return pd.DataFrame(rows)


def scores_of(rows: pd.DataFrame, predicted: np.ndarray) -> dict[str, float]:
    """Return the scores of one predictor.

    Parameters
    ----------
    rows
        ``N`` complexes; see `ppi.study.splits.reference_rows`.
    predicted
        ``(N,)`` pKd.

    Returns
    -------
    dict
        ``PART_METRIC`` for validation and test and each of `TABLE_METRICS`; ``PART_capped_METRIC``, against
        the capped labels of the published table; ``test_similar_spearman, test_new_spearman`` of the test
        complexes with and without a chain at least 30 % identical to a training chain, NaN for fewer
        than 10.
    """
    measured = rows["measured"].to_numpy()
    similar = (rows["identity"] >= NOVELTY_IDENTITY).to_numpy()
    scores = {}
    for part in PARTS:
        chosen = (rows["part"] == part).to_numpy()
        for label, values in (("", measured), ("capped_", cap_labels(measured))):
            for metric in TABLE_METRICS:
                scores[f"{part}_{label}{metric}"] = METRICS[metric](values[chosen], predicted[chosen])
    test = (rows["part"] == "test").to_numpy()
    for name, stratum in (("similar", test & similar), ("new", test & ~similar)):
        enough = stratum.sum() >= SMALLEST_STRATUM
        score = METRICS["spearman"](measured[stratum], predicted[stratum]) if enough else float("nan")
        scores[f"test_{name}_spearman"] = score
    return scores


def _over_seeds(rows: pd.DataFrame, predicted: np.ndarray) -> dict[str, float]:
    by_seed = pd.DataFrame([scores_of(rows, values) for values in predicted])
    ensemble = scores_of(rows, predicted.mean(axis=0))
    found: dict[str, float] = {}
    for name, value in ensemble.items():
        found |= {f"{name}_mean": by_seed[name].mean(), f"{name}_sd": by_seed[name].std()}
        found[f"{name}_ensemble"] = value
    return found
