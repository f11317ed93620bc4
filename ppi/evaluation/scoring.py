"""Compute every score and statistic of predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ppi.evaluation.bootstrap import RESAMPLES, Groups, groups_of, resample, score
from ppi.evaluation.ceiling import label_noise, noise_ceiling, replicate_noise
from ppi.evaluation.coverage import calibration_curve, coverage, reliability_bins
from ppi.evaluation.strata import EVERYTHING, SMALLEST_STRATUM, Stratum, strata_of
from ppi.evaluation.within_target import mutation_series, score_series
from ppi.io.tables import ComplexTable
from ppi.metrics import cap_labels

# Columns of a table that are written with its predictions if they exist.
_KEPT_COLUMNS = ("source", "pdb", "mutations", "cluster")


@dataclass(frozen=True)
class Scored:
    """Measured complexes and their predictions.

    Attributes
    ----------
    table
        ``N`` complexes with pKd.
    predictors
        ``(N,)`` pKd by name, the model first.
    half_width, spread
        ``(N,)`` half widths of the model's intervals, and its standard deviations, in pKd units.
    identity
        ``(N,)`` highest identity of any chain to a training chain, 0 to 1.
    trained_on
        ``(N,)`` bool: whether each complex was probably in the training set.
    """

    table: ComplexTable
    predictors: Mapping[str, np.ndarray]
    half_width: np.ndarray
    spread: np.ndarray
    identity: np.ndarray
    trained_on: np.ndarray

    @property
    def measured(self) -> np.ndarray:
        """``(N,)`` measured pKd."""
        return self.table.measured_pkd("scored")

    @property
    def predicted(self) -> np.ndarray:
        """``(N,)`` pKd of the model."""
        return next(iter(self.predictors.values()))

    def frame(self) -> pd.DataFrame:
        """Return one row per complex with its measurement, predictions and properties.

        Columns: ``id, measured, pkd, pkd_std, pkd_lower, pkd_upper, nearest_train_identity, trained_on``;
        ``source, pdb, mutations, cluster`` where the table has them; and one for each baseline.
        """
        predicted = self.predicted
        own = {
            "id": [item.id for item in self.table.complexes],
            "measured": self.measured,
            "pkd": predicted,
            "pkd_std": self.spread,
            "pkd_lower": predicted - self.half_width,
            "pkd_upper": predicted + self.half_width,
            "nearest_train_identity": self.identity,
            "trained_on": self.trained_on,
        }
        columns = self.table.columns.reset_index(drop=True)
        kept = {name: columns[name] for name in _KEPT_COLUMNS if name in columns}
        return pd.DataFrame({**own, **kept, **dict(list(self.predictors.items())[1:])})


def describe(scored: Scored, level: float, full_table: pd.DataFrame) -> dict[str, Any]:
    """Return every score of a model and its baselines.

    Parameters
    ----------
    scored
        Predictions to score.
    level
        Level of the model's intervals, 0 to 1.
    full_table
        Columns of the complete table, whose replicates give the noise of a measurement.

    Returns
    -------
    dict
        - ``bootstrap``: ``column`` of the groups that are drawn, ``groups``, ``resamples``;
        - ``strata``: a list of ``name, kind, n, groups, scored``; those below 10 rows are not scored;
        - ``scores``: predictor -> stratum -> ``n`` and, for each metric, ``value, lower, upper``;
        - ``capped_scores``: the same against abs(log10(Kd / M + 1e-10)), the label of the published table;
        - ``within_target``: predictor -> what `ppi.evaluation.within_target.score_series` returns; empty
          without a series;
        - ``ceiling``: None, or ``replicates`` (what `ppi.evaluation.ceiling.replicate_noise` found) and
          ``strata``: stratum -> ``all_replicates`` and ``without_copies`` (None if every replicate is a
          copy), the scores of a perfect model for exact labels;
        - ``coverage``: ``level``, ``strata`` (see `ppi.evaluation.coverage.coverage`), ``curve``
          (`calibration_curve`) and ``reliability`` (`reliability_bins`).
    """
    measured, columns = scored.measured, scored.table.columns
    groups = groups_of(scored.table)
    strata = strata_of(columns, scored.identity, scored.trained_on)
    large = [s for s in strata if s.name == EVERYTHING or s.rows.sum() >= SMALLEST_STRATUM]
    series = mutation_series(columns, measured)
    error = scored.predicted - measured
    result = {
        **described_rows(strata, large, groups),
        "scores": scores_by_stratum(measured, scored.predictors, large, groups.number),
        "capped_scores": scores_by_stratum(cap_labels(measured), scored.predictors, large, groups.number),
        "within_target": {
            name: score_series(measured, values, series)
            for name, values in scored.predictors.items()
            if series
        },
        "ceiling": _ceiling(measured, columns, large, full_table),
        "coverage": {
            "level": level,
            "strata": coverage(error, scored.half_width, strata, groups.number),
            "curve": calibration_curve(error, scored.half_width, level),
            "reliability": reliability_bins(measured, scored.predicted),
        },
    }
    return {key: without_nan(value) for key, value in result.items()}


def described_rows(strata: Sequence[Stratum], scored: Sequence[Stratum], groups: Groups) -> dict[str, Any]:
    """Return the entries ``bootstrap`` and ``strata`` of `describe`, and the strata that are scored."""
    names = {stratum.name for stratum in scored}
    return {
        "bootstrap": {
            "column": groups.column,
            "groups": len(np.unique(groups.number)),
            "resamples": RESAMPLES,
        },
        "strata": [
            {
                "name": stratum.name,
                "kind": stratum.kind,
                "n": int(stratum.rows.sum()),
                "groups": len(np.unique(groups.number[stratum.rows])),
                "scored": stratum.name in names,
            }
            for stratum in strata
        ],
    }


def scores_by_stratum(
    measured: np.ndarray,
    predictors: Mapping[str, np.ndarray],
    strata: Sequence[Stratum],
    groups: np.ndarray,
) -> dict[str, dict[str, Any]]:
    """Score predictors within strata, all of them on the same resamples.

    Parameters
    ----------
    measured
        ``(N,)`` pKd.
    predictors
        ``(N,)`` pKd by name.
    strata
        Strata of the complexes.
    groups
        ``(N,)`` the groups that the bootstrap draws; see `ppi.evaluation.bootstrap.resample`.

    Returns
    -------
    dict
        Predictor -> stratum -> ``n`` and, for each of `ppi.metrics.RESAMPLED`, ``value, lower, upper``.
    """
    result: dict[str, dict[str, Any]] = {name: {} for name in predictors}
    for name, _, rows in strata:
        draws = resample(groups[rows])
        for predictor, values in predictors.items():
            scores = score(measured[rows], values[rows], draws)
            result[predictor][name] = {
                "n": int(rows.sum()),
                **{metric: found._asdict() for metric, found in scores.items()},
            }
    return result


def without_nan(value: Any) -> Any:
    """Return a nested value with None for each number that is not finite."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _ceiling(
    measured: np.ndarray, columns: pd.DataFrame, strata: Sequence[Stratum], full_table: pd.DataFrame
) -> dict[str, Any] | None:
    noise = replicate_noise(full_table)
    if noise is None:
        return None
    every = label_noise(columns, noise.sd, copies=True)
    distinct = label_noise(columns, noise.sd_without_copies, copies=False)
    known = math.isfinite(noise.sd_without_copies)
    return {
        "replicates": noise._asdict(),
        "strata": {
            stratum.name: {
                "all_replicates": noise_ceiling(measured[stratum.rows], every[stratum.rows]),
                "without_copies": (
                    noise_ceiling(measured[stratum.rows], distinct[stratum.rows]) if known else None
                ),
            }
            for stratum in strata
        },
    }
