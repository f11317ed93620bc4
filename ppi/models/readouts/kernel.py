"""Gaussian process regression with a squared exponential kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ppi.errors import ModelError
from ppi.models.readouts.base import ReadOut

#: Most training complexes whose kernel matrix is solved; of more, so many are drawn.
_MOST = 8000
_ARRAYS = ("feature_mean", "feature_scale", "known", "coefficients", "mean")


class GaussianProcessReadOut(ReadOut):
    """The posterior mean of a Gaussian process (Rasmussen & Williams 2006); all members are the same.

    Length scale and noise are those of the largest marginal likelihood on a thousand training complexes. A
    complex that weighs less has that much more noise.

    Parameters
    ----------
    options
        See `ReadOut`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._members = 1
        self._fitted_arrays: dict[str, np.ndarray] = {}

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
        found = (centre, scale * length, known / length, coefficients, np.atleast_1d(mean))
        arrays = dict(zip(_ARRAYS, found, strict=True))
        arrays["known"] = arrays["known"].astype(np.float32)
        self._fitted_arrays, self._members = arrays, members

    def _predict(self, features: np.ndarray) -> np.ndarray:
        centre, scale, known, coefficients, mean = (self._fitted_arrays[name] for name in _ARRAYS)
        rows = (features - centre) / scale
        # One complex at a time, so that a prediction does not depend on the others.
        predicted = np.array([(_similarity(row[None], known) @ coefficients)[0] for row in rows])
        return np.tile(predicted + mean, (self._members, 1))

    def _arrays(self) -> dict[str, np.ndarray]:
        return dict(self._fitted_arrays)

    def _load(self, arrays: Mapping[str, np.ndarray], width: int, members: int) -> None:
        self._fitted_arrays = {name: np.asarray(arrays[name]) for name in _ARRAYS}
        count = len(self._fitted_arrays["coefficients"])
        shapes = [array.shape for array in self._fitted_arrays.values()]
        if shapes != [(width,), (width,), (count, width), (count,), (1,)]:
            raise ModelError("the read-out is damaged: its arrays do not fit each other")
        self._members = members


def _similarity(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return ``(N, M)``: exp of minus half the squared distance of ``(N, F)`` and ``(M, F)`` rows."""
    squares = (rows**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * rows @ others.T
    similar: np.ndarray = np.exp(-np.maximum(squares, 0) / 2)
    return similar


def _hyperparameters(
    known: np.ndarray, labels: np.ndarray, random: np.random.Generator
) -> tuple[float, float, float]:
    """Return signal variance, length scale and noise variance of the largest marginal likelihood."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    kept = random.permutation(len(known))[:1000]
    variance, width = float(labels.var()), float(np.sqrt(known.shape[1]))
    kernel = ConstantKernel(variance) * RBF(width, (width / 30, width * 30)) + WhiteKernel(variance)
    process = GaussianProcessRegressor(kernel, random_state=0).fit(known[kept], labels[kept])
    signal, length, level = np.exp(process.kernel_.theta)
    return float(signal), float(length), float(level)
