"""The coverage of the model's intervals, and their width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from ppi.evaluation.bootstrap import resample, with_interval
from ppi.evaluation.strata import Stratum

#: Levels of the calibration curve.
LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


def coverage(
    error: np.ndarray, half_width: np.ndarray, strata: Sequence[Stratum], groups: np.ndarray
) -> dict[str, dict[str, Any]]:
    """Return how many measured pKd lie inside their interval, by stratum.

    Parameters
    ----------
    error
        ``(N,)`` predicted - measured pKd.
    half_width
        ``(N,)`` half widths of the intervals, in pKd units.
    strata
        Strata of the complexes; each is listed, however small.
    groups
        ``(N,)`` the groups that the bootstrap draws; see `ppi.evaluation.bootstrap.resample`.

    Returns
    -------
    dict
        For each stratum ``n``; ``coverage``, 0 to 1, with its 95 % bootstrap interval;
        ``coverage_of_groups``, in which each group has the same weight, as in the guarantee of
        `ppi.models.calibration.Calibration`; ``mean_width`` and ``median_width`` of the full intervals (twice
        the half width), in pKd units.
    """
    inside = (np.abs(error) <= half_width).astype(np.float64)
    result = {}
    for stratum in strata:
        chosen = inside[stratum.rows]
        draws = resample(groups[stratum.rows])
        _, group, sizes = np.unique(groups[stratum.rows], return_inverse=True, return_counts=True)
        result[stratum.name] = {
            "n": len(chosen),
            "coverage": with_interval(float(chosen.mean()), draws @ chosen / draws.sum(axis=1))._asdict(),
            "coverage_of_groups": float(np.average(chosen, weights=1 / sizes[group])),
            "mean_width": float(2 * half_width[stratum.rows].mean()),
            "median_width": float(2 * np.median(half_width[stratum.rows])),
        }
    return result


def calibration_curve(error: np.ndarray, half_width: np.ndarray, level: float) -> list[dict[str, float]]:
    """Return nominal and observed coverage of intervals scaled to other levels.

    The model guarantees one level only. At another level ``p`` its intervals are scaled by
    ``z(p) / z(level)``, ``z(p)`` the standard normal quantile of ``(1 + p) / 2``: as they would be if errors
    were normal with the spread that the half widths imply. So the point at `level` tests the guarantee, and
    the others test the shape of the errors.

    Parameters
    ----------
    error, half_width
        See `coverage`.
    level
        Level of the intervals, 0 to 1.

    Returns
    -------
    list of dict
        ``nominal, factor, observed`` for each of `LEVELS` and for `level`.
    """
    points = []
    for nominal in sorted({*LEVELS, level}):
        factor = float(stats.norm.ppf((1 + nominal) / 2) / stats.norm.ppf((1 + level) / 2))
        observed = float(np.mean(np.abs(error) <= factor * half_width))
        points.append({"nominal": nominal, "factor": factor, "observed": observed})
    return points


def reliability_bins(measured: np.ndarray, predicted: np.ndarray, bins: int = 10) -> list[dict[str, float]]:
    """Return the mean measured pKd of complexes with similar predictions.

    Parameters
    ----------
    measured, predicted
        ``(N,)`` pKd.
    bins
        Maximum number of bins, which contain equal numbers of complexes by increasing prediction.

    Returns
    -------
    list of dict
        ``n``, mean ``predicted``, mean ``measured`` and the standard deviation of the measured, ``sd``, all
        in pKd units.
    """
    order = np.argsort(predicted, kind="stable")
    return [
        {
            "n": len(rows),
            "predicted": float(predicted[rows].mean()),
            "measured": float(measured[rows].mean()),
            "sd": float(measured[rows].std()),
        }
        for rows in np.array_split(order, min(bins, len(order)))
    ]
