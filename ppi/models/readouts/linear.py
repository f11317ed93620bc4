"""Ridge regression."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ppi.models.readouts.arrays import ArrayReadOut

#: Candidate penalties; the leave-one-out error chooses.
_PENALTIES = np.logspace(-1, 4, 11)


class RidgeReadOut(ArrayReadOut):
    """A weighted sum of the features, its penalty chosen by leave-one-out error.

    Parameters
    ----------
    options
        See `ppi.models.readouts.base.ReadOut`.
    """

    names = ("feature_mean", "feature_scale", "weights", "bias")

    def shapes(self, arrays: Mapping[str, np.ndarray], width: int) -> list[tuple[int, ...]]:
        return [(width,), (width,), (width,), (1,)]

    def _fit(
        self, features: np.ndarray, labels: np.ndarray, weights: np.ndarray, members: int, seed: int
    ) -> None:
        from sklearn.linear_model import RidgeCV
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(features.astype(np.float64), sample_weight=weights)
        model = RidgeCV(alphas=_PENALTIES).fit(scaler.transform(features), labels, sample_weight=weights)
        self.fitted = (scaler.mean_, scaler.scale_, model.coef_, np.atleast_1d(model.intercept_))

    def _predict(self, features: np.ndarray) -> np.ndarray:
        mean, scale, weights, bias = self.fitted
        # This is computed row by row, not as a matrix product, so that a prediction does not depend on other
        # rows.
        predicted: np.ndarray = ((features - mean) / scale * weights).sum(axis=1) + bias
        return predicted[None]
