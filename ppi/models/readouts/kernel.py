"""Gaussian process regression with a squared exponential kernel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ppi.models.readouts.arrays import ArrayReadOut

#: Maximum number of training complexes in the kernel matrix; if there are more, so many are drawn.
_MOST = 8000


class GaussianProcessReadOut(ArrayReadOut):
    """The posterior mean of a Gaussian process (Rasmussen & Williams 2006).

    Length scale and noise maximise the marginal likelihood on a thousand training complexes. The noise of a
    complex is inversely proportional to its weight.

    Parameters
    ----------
    options
        See `ppi.models.readouts.base.ReadOut`.
    """

    names = ("feature_mean", "feature_scale", "known", "coefficients", "mean")

    def shapes(self, arrays: Mapping[str, np.ndarray], width: int) -> list[tuple[int, ...]]:
        count = len(arrays["coefficients"])
        return [(width,), (width,), (count, width), (count,), (1,)]

    def _fit(
        self, features: np.ndarray, labels: np.ndarray, weights: np.ndarray, members: int, seed: int
    ) -> None:
        random = np.random.default_rng(seed)
        if len(features) > _MOST:
            kept = random.permutation(len(features))[:_MOST]
            features, labels, weights = features[kept], labels[kept], weights[kept]
        centre = features.mean(axis=0, dtype=np.float64)
        # All features are divided by one length scale, found below.
        scale = np.maximum(features.std(axis=0, dtype=np.float64), 1e-6)
        known = (features - centre) / scale
        mean = np.average(labels, weights=weights)
        noise = np.average(weights) / weights
        signal, length, level = _hyperparameters(known, labels - mean, random)
        covariance = signal * _similarity(known / length, known / length)
        covariance[np.diag_indices(len(known))] += level * noise
        coefficients = signal * np.linalg.solve(covariance, labels - mean)
        known = (known / length).astype(np.float32)
        self.fitted = (centre, scale * length, known, coefficients, np.atleast_1d(mean))

    def _predict(self, features: np.ndarray) -> np.ndarray:
        centre, scale, known, coefficients, mean = self.fitted
        known = known.astype(np.float64)
        squares = (known**2).sum(axis=1)
        # Complexes are computed one by one, so that a prediction does not depend on the others.
        rows = ((row - centre) / scale for row in features)
        similar = (np.exp(-np.maximum(squares + row @ row - 2 * known @ row, 0) / 2) for row in rows)
        return np.array([[one @ coefficients + mean[0] for one in similar]])


def _similarity(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return ``(N, M)``: exp of minus half the squared distance of ``(N, F)`` and ``(M, F)`` rows."""
    squares = (rows**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * rows @ others.T
    similar: np.ndarray = np.exp(-np.maximum(squares, 0) / 2)
    return similar


def _hyperparameters(
    known: np.ndarray, labels: np.ndarray, random: np.random.Generator
) -> tuple[float, float, float]:
    """Return the signal variance, length scale and noise variance that maximise the marginal likelihood."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    kept = random.permutation(len(known))[:1000]
    variance, width = float(labels.var()), float(np.sqrt(known.shape[1]))
    kernel = ConstantKernel(variance) * RBF(width, (width / 30, width * 30)) + WhiteKernel(variance)
    process = GaussianProcessRegressor(kernel, random_state=0).fit(known[kept], labels[kept])
    signal, length, level = np.exp(process.kernel_.theta)
    return float(signal), float(length), float(level)
