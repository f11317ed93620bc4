"""Scores of predicted against measured pKd, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

Metric = Callable[[np.ndarray, np.ndarray], float]


def spearman(measured: np.ndarray, predicted: np.ndarray) -> float:
    """Return the rank correlation; 0 where one of the two is constant and ranks nothing."""
    return _correlation(stats.rankdata(measured), stats.rankdata(predicted))


def pearson(measured: np.ndarray, predicted: np.ndarray) -> float:
    """Return the linear correlation; 0 where one of the two is constant."""
    return _correlation(measured, predicted)


def rmse(measured: np.ndarray, predicted: np.ndarray) -> float:
    """Return the root mean squared error in pKd units."""
    return float(np.sqrt(np.mean((measured - predicted) ** 2)))


def mae(measured: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean absolute error in pKd units."""
    return float(np.mean(np.abs(measured - predicted)))


METRICS: dict[str, Metric] = {"spearman": spearman, "pearson": pearson, "rmse": rmse, "mae": mae}


class Score(NamedTuple):
    """A score and its 95 % percentile bootstrap interval."""

    value: float
    lower: float
    upper: float


def score(
    measured: np.ndarray, predicted: np.ndarray, *, resamples: int = 1000, seed: int = 0
) -> dict[str, Score]:
    """Score predictions.

    Parameters
    ----------
    measured, predicted
        ``(N,)`` pKd.
    resamples
        Bootstrap resamples of the complexes.
    seed
        Of the resampling.

    Returns
    -------
    dict
        A `Score` for each of `METRICS`.
    """
    random = np.random.default_rng(seed)
    draws = random.integers(0, len(measured), size=(resamples, len(measured)))
    result = {}
    for name, metric in METRICS.items():
        values = [metric(measured[rows], predicted[rows]) for rows in draws]
        lower, upper = np.percentile(values, [2.5, 97.5])
        result[name] = Score(metric(measured, predicted), float(lower), float(upper))
    return result


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - np.mean(first), second - np.mean(second)
    scale = np.sqrt(np.sum(first**2) * np.sum(second**2))
    return float(np.sum(first * second) / scale) if scale > 0 else 0.0
