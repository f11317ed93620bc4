"""Scores of predicted against measured pKd, for a set of complexes or for many resamples at once.

A resample is a row of weights, which count how often it contains each complex. Each score is computed from
the weights and equals the score of the repeated complexes, including ties, so that a thousand resamples take
a few matrix products.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Metric = Callable[[np.ndarray, np.ndarray], float]
#: ``(N,)`` measured, ``(N,)`` predicted and ``(R, N)`` weights give the ``(R,)`` scores of the resamples.
ResampledMetric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

# Number of columns of pairs that Kendall's tau keeps in memory at a time.
_PAIR_BLOCK = 1024
# A variance below this fraction of the largest possible one is a rounding error.
_ROUNDING = 1e-12


def cap_labels(pkd: np.ndarray) -> np.ndarray:
    """Return abs(log10(Kd + 1e-10)), the label of arXiv 2505.20036, which caps pKd at 10."""
    return np.abs(np.log10(10.0**-pkd + 1e-10))


def spearman(measured: np.ndarray, predicted: np.ndarray) -> float:
    """Return the rank correlation; 0 if one of the two is constant."""
    return _unweighted(resampled_spearman, measured, predicted)


def pearson(measured: np.ndarray, predicted: np.ndarray) -> float:
    """Return the linear correlation; 0 if one of the two is constant."""
    return _unweighted(resampled_pearson, measured, predicted)


def kendall(measured: np.ndarray, predicted: np.ndarray) -> float:
    """Return Kendall's tau-b (Kendall 1945), corrected for ties; 0 where one of the two is constant."""
    return _unweighted(resampled_kendall, measured, predicted)


def rmse(measured: np.ndarray, predicted: np.ndarray) -> float:
    """Return the root mean squared error in pKd units."""
    return _unweighted(resampled_rmse, measured, predicted)


def mae(measured: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean absolute error in pKd units."""
    return _unweighted(resampled_mae, measured, predicted)


def r2(measured: np.ndarray, predicted: np.ndarray) -> float:
    """Return 1 - squared error / variance of the measured; NaN where these are constant.

    It is below 0 if the mean of the measured values would be a better prediction.
    """
    return _unweighted(resampled_r2, measured, predicted)


def resampled_spearman(measured: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Spearman's rho of each resample; shapes as in `ResampledMetric`."""
    return _correlation(_ranks(measured, weights), _ranks(predicted, weights), weights)


def resampled_pearson(measured: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Pearson's r of each resample; shapes as in `ResampledMetric`."""
    return _correlation(measured[None], predicted[None], weights)


def resampled_kendall(measured: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return Kendall's tau-b of each resample; shapes as in `ResampledMetric`.

    A complex and its own copy are tied in both variables, as tau-b requires.
    """
    # Sums of weights are whole numbers far below 2^24: float32 holds them exactly, at twice the speed.
    counts = weights.astype(np.float32)
    orders = [
        np.unique(values, return_inverse=True)[1].astype(np.float32) for values in (measured, predicted)
    ]
    balance = np.zeros(len(weights))
    for start in range(0, len(measured), _PAIR_BLOCK):
        block = slice(start, start + _PAIR_BLOCK)
        first, second = (np.sign(order[:, None] - order[None, block]) for order in orders)
        balance += ((counts @ (first * second)) * counts[:, block]).sum(axis=1, dtype=np.float64)
    size = weights.sum(axis=1, dtype=np.float64)
    untied = [size**2 - (_tie_sums(values, weights) ** 2).sum(axis=1) for values in (measured, predicted)]
    return _ratio(balance, np.sqrt(untied[0] * untied[1]))


def resampled_rmse(measured: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the root mean squared error of each resample; shapes as in `ResampledMetric`."""
    return np.sqrt(_mean((measured - predicted) ** 2, weights))


def resampled_mae(measured: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean absolute error of each resample; shapes as in `ResampledMetric`."""
    return _mean(np.abs(measured - predicted), weights)


def resampled_r2(measured: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the coefficient of determination of each resample; shapes as in `ResampledMetric`."""
    error = _mean((measured - predicted) ** 2, weights)
    centred = measured - measured[0]
    variance = _mean(centred**2, weights) - _mean(centred, weights) ** 2
    known = variance > _ROUNDING * np.max(centred**2, initial=0)
    return 1 - np.divide(error, variance, out=np.full_like(error, np.nan), where=known)


RESAMPLED: dict[str, ResampledMetric] = {
    "spearman": resampled_spearman,
    "pearson": resampled_pearson,
    "kendall": resampled_kendall,
    "rmse": resampled_rmse,
    "mae": resampled_mae,
    "r2": resampled_r2,
}
METRICS: dict[str, Metric] = {
    "spearman": spearman,
    "pearson": pearson,
    "kendall": kendall,
    "rmse": rmse,
    "mae": mae,
    "r2": r2,
}


def _unweighted(metric: ResampledMetric, measured: np.ndarray, predicted: np.ndarray) -> float:
    first, second = np.asarray(measured, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    return float(metric(first, second, np.ones((1, len(first))))[0])


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (weights @ values) / weights.sum(axis=1)


def _correlation(first: np.ndarray, second: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted correlation of ``(R, N)`` values, or of ``(1, N)`` that all resamples share."""
    total = weights.sum(axis=1)
    # Values are centred at one of them, so that a constant becomes exactly 0.
    first, second = first - first[:, :1], second - second[:, :1]
    means = [
        np.einsum("rn,rn->r", weights, np.broadcast_to(v, weights.shape)) / total for v in (first, second)
    ]
    first, second = (values - mean[:, None] for values, mean in zip((first, second), means, strict=True))
    covariance = np.einsum("rn,rn,rn->r", weights, first, second)
    squares = [np.einsum("rn,rn,rn->r", weights, values, values) for values in (first, second)]
    largest = [(values**2).max(axis=1) * total for values in (first, second)]
    varies = (squares[0] > _ROUNDING * largest[0]) & (squares[1] > _ROUNDING * largest[1])
    return np.where(varies, _ratio(covariance, np.sqrt(squares[0] * squares[1])), 0.0)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return ``(R, N)`` ranks within each resample, tied complexes and copies at their mean rank."""
    _, group = np.unique(values, return_inverse=True)
    sums = _tie_sums(values, weights)
    above = sums.cumsum(axis=1)
    return (above - (sums - 1) / 2)[:, group]


def _tie_sums(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return ``(R, G)`` weights of the distinct values, rising."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=-np.inf))
    return np.add.reduceat(weights[:, order], starts, axis=1, dtype=np.float64)
