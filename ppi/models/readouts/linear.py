"""Ridge regression."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ppi.errors import ModelError
from ppi.models.readouts.base import ReadOut

#: Penalties of which leave-one-out error chooses.
_PENALTIES = np.logspace(-1, 4, 11)
_ARRAYS = ("feature_mean", "feature_scale", "weights", "bias")


class RidgeReadOut(ReadOut):
    """A weighted sum of the features, its penalty chosen by leave-one-out error; all members are the same.

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
        from sklearn.linear_model import RidgeCV
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(features.astype(np.float64), sample_weight=weights)
        model = RidgeCV(alphas=_PENALTIES).fit(scaler.transform(features), labels, sample_weight=weights)
        found = (scaler.mean_, scaler.scale_, model.coef_, np.atleast_1d(model.intercept_))
        self._fitted_arrays = dict(zip(_ARRAYS, found, strict=True))
        self._members = members

    def _predict(self, features: np.ndarray) -> np.ndarray:
        mean, scale, weights, bias = (self._fitted_arrays[name] for name in _ARRAYS)
        # Row by row, not as a product of matrices, so that a prediction does not depend on the other rows.
        predicted = ((features - mean) / scale * weights).sum(axis=1) + bias
        return np.tile(predicted, (self._members, 1))

    def _arrays(self) -> dict[str, np.ndarray]:
        return dict(self._fitted_arrays)

    def _load(self, arrays: Mapping[str, np.ndarray], width: int, members: int) -> None:
        self._fitted_arrays = {name: np.asarray(arrays[name]) for name in _ARRAYS}
        shapes = [array.shape for array in self._fitted_arrays.values()]
        if shapes != [(width,)] * 3 + [(1,)]:
            raise ModelError("the read-out is damaged: its arrays do not fit each other")
        self._members = members
