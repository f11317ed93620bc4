"""Scales of the terms of the covariance, learnt from the measurements by their marginal likelihood.

Each scale has a log-normal prior, so that a few measurements do not decide alone. All are in pKd units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky
from scipy.linalg.lapack import dpotri
from scipy.optimize import minimize

from ppi.prediction.adapting.kernel import TERMS

#: Standard deviation of the level around the mean of what was measured.
LEVEL_SD = 1.0
#: Expected factor between predicted and measured effects.
SLOPE = 1.0
#: Medians of the scales, by term, and of the noise of one measurement.
MEDIANS = {
    "position": 0.55,
    "residue": 0.3,
    "chemistry": 0.25,
    "site": 0.22,
    "exchange": 0.22,
    "both": 0.2,
    "slope": 0.8,
    "count": 0.2,
    "own": 0.22,
    "noise": 0.45,
}
#: Standard deviation of the logarithm of a scale, and of that of the noise.
_FREEDOM, _NOISE_FREEDOM = 0.5, 0.5
#: Farthest that the logarithm of a scale may go from that of its median.
_FARTHEST = 4.0


@dataclass(frozen=True)
class Observations:
    """What was measured of ``N`` variants.

    Attributes
    ----------
    value
        ``(N,)`` values in pKd units; of a bound, what stands for it (see `ppi.prediction.adapting.bounds`).
    variance
        ``(N,)`` variance of what stands for a bound; NaN for a measured value.
    replicates
        ``(N,)`` how often each was measured.
    squares, freedom
        Sum of squared deviations of replicates from their means, and how many are free to vary.
    """

    value: np.ndarray
    variance: np.ndarray
    replicates: np.ndarray
    squares: float = 0.0
    freedom: int = 0

    def noise(self, noise: float) -> np.ndarray:
        """Return the ``(N,)`` variances for the noise of one measurement, a standard deviation."""
        measured = np.isnan(self.variance)
        found: np.ndarray = np.where(measured, noise**2 / self.replicates, self.variance)
        return found


@dataclass(frozen=True)
class Scales:
    """Standard deviations, in pKd units.

    Attributes
    ----------
    terms
        ``(T,)`` of the terms of the covariance, in the order of `ppi.prediction.adapting.kernel.TERMS`.
    noise
        Standard deviation of one measurement.
    """

    terms: np.ndarray
    noise: float

    @property
    def weights(self) -> np.ndarray:
        """``(T,)`` squares of the scales."""
        squared: np.ndarray = self.terms**2
        return squared

    @classmethod
    def usual(cls) -> Scales:
        """Return the medians of the priors."""
        return cls(np.array([MEDIANS[name] for name in TERMS]), MEDIANS["noise"])


def covariance(terms: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the ``(N, M)`` covariance for ``(T, N, M)`` terms and their ``(T,)`` squared scales."""
    found: np.ndarray = LEVEL_SD**2 + np.tensordot(weights, terms, axes=1)
    return found


def fit_scales(
    terms: np.ndarray, effect: np.ndarray, observations: Observations, *, steps: int = 60
) -> Scales:
    """Find the scales that explain the measurements best, given their priors.

    Parameters
    ----------
    terms
        ``(T, N, N)`` terms of the covariance between the variants.
    effect
        ``(N,)`` their predicted effects.
    observations
        What was measured.
    steps
        Most steps of the search.
    """
    usual = Scales.usual()
    start = np.log([*usual.terms, usual.noise])
    freedom = np.array([_FREEDOM] * len(TERMS) + [_NOISE_FREEDOM])
    residual = observations.value - SLOPE * effect - expected(effect, observations)

    def objective(logs: np.ndarray) -> tuple[float, np.ndarray]:
        scales = Scales(np.exp(logs[:-1]), float(np.exp(logs[-1])))
        cost, slope = _cost(terms, residual, observations, scales)
        apart = (logs - start) / freedom
        return cost + 0.5 * float(apart @ apart), slope + apart / freedom

    bounds = [(middle - _FARTHEST, middle + _FARTHEST) for middle in start]
    found = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps}
    ).x
    return Scales(np.exp(found[:-1]), float(np.exp(found[-1])))


def expected(effect: np.ndarray, observations: Observations) -> float:
    """Return what a variant without predicted effect is expected to have: the mean of what was measured."""
    measured = np.isnan(observations.variance)
    return float((observations.value - SLOPE * effect)[measured].mean())


def _cost(
    terms: np.ndarray, residual: np.ndarray, observations: Observations, scales: Scales
) -> tuple[float, np.ndarray]:
    """Return the negative logarithm of the likelihood, and its slope along the logarithms of the scales."""
    among = covariance(terms, scales.weights)
    noise = observations.noise(scales.noise)
    among[np.diag_indices(len(residual))] += noise
    lower = cholesky(among, lower=True)
    solved = cho_solve((lower, True), residual)
    inverse = inverse_of(lower)
    # d cost / d K, so that the slope along a scale is the sum of its products with 2 s**2 G.
    weight = inverse - np.outer(solved, solved)
    slope = scales.weights * np.tensordot(terms, weight, axes=([1, 2], [0, 1]))
    own = np.where(np.isnan(observations.variance), noise, 0)
    of_noise = float(own @ np.diag(weight)) + observations.freedom - observations.squares / scales.noise**2
    cost = 0.5 * float(residual @ solved) + float(np.log(np.diag(lower)).sum())
    cost += observations.freedom * np.log(scales.noise) + 0.5 * observations.squares / scales.noise**2
    return cost, np.append(slope, of_noise)


def inverse_of(lower: np.ndarray) -> np.ndarray:
    """Return the inverse of a matrix whose lower Cholesky factor is given."""
    found, _ = dpotri(lower, lower=1)
    triangle = np.tril(found)
    symmetric: np.ndarray = triangle + triangle.T
    symmetric[np.diag_indices(len(lower))] /= 2
    return symmetric
