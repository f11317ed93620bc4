"""The scores of a development cross-validation from the pooled out-of-fold predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ppi.evaluation.baselines import entry_weights
from ppi.evaluation.bootstrap import groups_of, resample, score
from ppi.evaluation.coverage import calibration_curve, coverage, reliability_bins
from ppi.evaluation.partners import partner_auroc
from ppi.evaluation.scoring import described_rows, scores_by_stratum, without_nan
from ppi.evaluation.strata import EVERYTHING, SMALLEST_STRATUM, Stratum
from ppi.evaluation.within_target import mutation_series, score_series
from ppi.io.tables import ComplexTable
from ppi.metrics import spearman
from ppi.models.calibration import fit_calibration

#: Novelties from the most to the least similar; see `ppi.prediction.novelty`.
NOVELTIES = ("familiar", "half-familiar", "new")
#: Columns of a table that are written with its predictions if they exist.
_KEPT_COLUMNS = ("cluster", "pdb", "source", "mutations")


@dataclass(frozen=True)
class OutOfFold:
    """The out-of-fold rows of all folds, pooled.

    Attributes
    ----------
    table
        ``N`` complexes with pKd.
    rows
        One row per complex, in the same order: ``id``, ``fold`` (number), ``pkd``, ``pkd_std`` and
        ``half_width`` of the model that was trained without this fold, ``training_mean`` and
        ``constant_half_width`` of the interval around the training mean, ``novelty`` (one of `NOVELTIES`) to
        the training rows of the fold, and each score of `wrong` of the true pair; ``pair_identity``,
        ``nearest_complex``, ``nearest_pkd``.
    baselines
        ``(N,)`` pKd by name.
    wrong
        ``(N, K)`` scores with wrong partners, by the column of `rows` that has the score of the true pair.
    """

    table: ComplexTable
    rows: pd.DataFrame
    baselines: Mapping[str, np.ndarray]
    wrong: Mapping[str, np.ndarray]

    @property
    def measured(self) -> np.ndarray:
        """``(N,)`` measured pKd."""
        return self.table.measured_pkd("out-of-fold")

    def column(self, name: str) -> np.ndarray:
        """Return the ``(N,)`` numbers of a column of `rows`."""
        return self.rows[name].to_numpy(dtype=np.float64)

    def frame(self) -> pd.DataFrame:
        """Return one row per complex with its measurement, predictions and properties, and each baseline.

        Its columns are those of `rows` with ``measured``, the ends ``pkd_lower, pkd_upper`` of the interval
        instead of its half width, and ``cluster, pdb, source, mutations`` where the table has them.
        """
        ends = {
            "measured": self.measured,
            "pkd_lower": self.column("pkd") - self.column("half_width"),
            "pkd_upper": self.column("pkd") + self.column("half_width"),
        }
        columns = self.table.columns.reset_index(drop=True)
        kept = {name: columns[name] for name in _KEPT_COLUMNS if name in columns}
        first = ["id", "fold", "measured", "pkd", "pkd_lower", "pkd_upper"]
        frame = self.rows.drop(columns="half_width").assign(**ends)
        rest = [name for name in frame if name not in first]
        return frame[first + rest].assign(**kept, **self.baselines)


def describe_development(pooled: OutOfFold, name: str, level: float) -> dict[str, Any]:
    """Return every score of a development cross-validation.

    Parameters
    ----------
    pooled
        The out-of-fold predictions.
    name
        Name of the model among the predictors.
    level
        Level of the intervals, 0 to 1.

    Returns
    -------
    dict
        - ``bootstrap``: ``column`` of the groups that are drawn, ``groups``, ``resamples``;
        - ``strata``: a list of ``name, kind, n, groups, scored``; those below 10 rows are not scored;
        - ``scores``: predictor -> stratum -> ``n`` and, for each metric, ``value, lower, upper``;
        - ``entry_scores``: predictor -> the same over the means of PDB entries;
        - ``fold_spearman``: fold -> Spearman of the model;
        - ``within_target``: predictor -> what `ppi.evaluation.within_target.score_series` returns; empty
          without a series;
        - ``partners``: ``count`` of wrong partners a complex, and ``auroc``: score -> ``value, lower,
          upper``;
        - ``coverage``: ``level``, ``strata`` of the model (see `ppi.evaluation.coverage.coverage`),
          ``constant``, the same of the interval around the training mean, ``curve`` and ``reliability``.

        It can be written as JSON: an unknown value is None, never NaN.
    """
    measured, predicted = pooled.measured, pooled.column("pkd")
    groups = groups_of(pooled.table)
    predictors = {name: predicted, **pooled.baselines}
    strata = _strata(pooled.rows["novelty"])
    large = [s for s in strata if s.name == EVERYTHING or s.rows.sum() >= SMALLEST_STRATUM]
    series = mutation_series(pooled.table.columns, measured)
    weight = entry_weights(pooled.table)
    fold = pooled.rows["fold"].to_numpy()
    error, half_width = predicted - measured, pooled.column("half_width")
    result = {
        **described_rows(strata, large, groups),
        "scores": scores_by_stratum(measured, predictors, large, groups.number),
        "entry_scores": _entry_scores(pooled.table, measured, predictors, groups.number),
        "fold_spearman": {
            str(number): spearman(measured[fold == number], predicted[fold == number])
            for number in np.unique(fold)
        },
        "within_target": {
            predictor: score_series(measured, values, series, groups.number)
            for predictor, values in predictors.items()
            if series
        },
        "partners": {
            "count": next(iter(pooled.wrong.values())).shape[1],
            "auroc": {
                column: partner_auroc(pooled.column(column), wrong, weight, groups.number)._asdict()
                for column, wrong in pooled.wrong.items()
            },
        },
        "coverage": {
            "level": level,
            "strata": coverage(error, half_width, strata, groups.number),
            "constant": coverage(
                pooled.column("training_mean") - measured,
                pooled.column("constant_half_width"),
                strata,
                groups.number,
            ),
            "curve": calibration_curve(error, half_width, level),
            "reliability": reliability_bins(measured, predicted),
        },
    }
    return {key: without_nan(value) for key, value in result.items()}


def constant_half_width(mean: float, validation: ComplexTable) -> float:
    """Return the half width of the interval around the training mean, in pKd units.

    Parameters
    ----------
    mean
        Predicted pKd of every complex.
    validation
        Complexes with pKd for the calibration.
    """
    count = len(validation)
    nothing, alike = np.full(count, np.nan), np.ones(count)
    calibration = fit_calibration(
        validation.measured_pkd("validation"), np.full(count, mean), nothing, alike, validation.targets()
    )
    return float(calibration.half_width(nothing[:1], alike[:1])[0])


def _strata(novelty: pd.Series) -> list[Stratum]:
    """Return all complexes, and those of each novelty that occurs."""
    everyone = Stratum(EVERYTHING, "all", np.ones(len(novelty), dtype=bool))
    by_novelty = [Stratum(name, "novelty", (novelty == name).to_numpy()) for name in NOVELTIES]
    return [everyone, *(stratum for stratum in by_novelty if stratum.rows.any())]


def _entry_scores(
    table: ComplexTable, measured: np.ndarray, predictors: Mapping[str, np.ndarray], groups: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Score the means over PDB entries; a complex without an entry is one of its own.

    The bootstrap draws an entry with the group of its first complex.
    """
    names = pd.Series([f"alone {row}" for row in range(len(table))])
    if "pdb" in table.columns:
        entries = table.columns["pdb"].reset_index(drop=True)
        names = ("entry " + entries.astype(str)).where(entries.notna(), names)
    _, first, entry = np.unique(names.to_numpy(dtype=str), return_index=True, return_inverse=True)
    draws, sizes = resample(groups[first]), np.bincount(entry)
    truth = np.bincount(entry, measured) / sizes
    result = {}
    for name, values in predictors.items():
        found = score(truth, np.bincount(entry, values) / sizes, draws)
        result[name] = {"n": len(first), **{metric: one._asdict() for metric, one in found.items()}}
    return result
