"""Measurements that are only bounds, by expectation propagation (Minka 2001).

Of a variant whose value is known to lie below or above a bound, the likelihood of its true value ``f`` is
``Phi((bound - f) / noise)`` or ``Phi((f - bound) / noise)``. It is approximated by a Gaussian, as if a value
had been measured with a variance of its own; see Rasmussen & Williams 2006, section 3.6.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import norm

from ppi.prediction.adapting.scales import Observations

_SWEEPS, _DAMPING, _CLOSE = 60, 0.7, 1e-6
#: A bound that says nothing has this variance.
_LARGEST = 1e6


def with_bounds(
    prior: np.ndarray,
    mean: np.ndarray,
    observations: Observations,
    side: np.ndarray,
    bound: np.ndarray,
    noise: float,
) -> Observations:
    """Return the observations with what stands for the bounds.

    Parameters
    ----------
    prior, mean
        ``(N, N)`` covariance and ``(N,)`` mean of the true values before anything was measured.
    observations
        What was measured; entries of bounds are replaced.
    side
        ``(N,)``: -1 where the value lies below a bound, 1 where above, 0 where it was measured.
    bound
        ``(N,)`` the bounds; entries of measured values do not count.
    noise
        Standard deviation of one measurement.
    """
    open_ = np.flatnonzero(side)
    if not len(open_):
        return observations
    precision = 1 / observations.noise(noise)
    precision[open_] = 1 / _LARGEST
    shift = precision * (observations.value - mean)
    shift[open_] = 0
    for _ in range(_SWEEPS):
        covariance, centre = _posterior(prior, precision, shift)
        variance = np.diag(covariance)[open_]
        free = np.maximum(1 / variance - precision[open_], 1e-12)
        at = (centre[open_] / variance - shift[open_]) / free
        new_precision, new_shift = _matched(at, 1 / free, side[open_], (bound - mean)[open_], noise)
        moved = np.abs(new_shift - shift[open_]).max()
        precision[open_] += _DAMPING * (new_precision - precision[open_])
        shift[open_] += _DAMPING * (new_shift - shift[open_])
        if moved < _CLOSE:
            break
    value, spread = observations.value.copy(), observations.variance.copy()
    value[open_] = mean[open_] + shift[open_] / precision[open_]
    spread[open_] = 1 / precision[open_]
    return replace(observations, value=value, variance=spread)


def _posterior(prior: np.ndarray, precision: np.ndarray, shift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    root = np.sqrt(precision)
    inner = np.eye(len(prior)) + root[:, None] * prior * root
    half = np.linalg.solve(np.linalg.cholesky(inner), root[:, None] * prior)
    covariance = prior - half.T @ half
    return covariance, covariance @ shift


def _matched(
    mean: np.ndarray, variance: np.ndarray, side: np.ndarray, bound: np.ndarray, noise: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and shift of the Gaussians that give the moments of the bounded distributions."""
    spread = np.sqrt(variance + noise**2)
    z = side * (mean - bound) / spread
    ratio = np.exp(norm.logpdf(z) - norm.logcdf(z))
    new_mean = mean + side * variance * ratio / spread
    new_variance = variance - variance**2 * ratio * (z + ratio) / spread**2
    precision = np.maximum(1 / new_variance - 1 / variance, 1 / _LARGEST)
    return precision, precision * new_mean + (new_mean - mean) / variance
