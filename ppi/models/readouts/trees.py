"""Extremely randomised trees (Geurts, Ernst & Wehenkel 2006, doi 10.1007/s10994-006-6226-1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from heads.options import AtLeastOne, Range
from ppi.errors import ModelError
from ppi.models.forest import Forest
from ppi.models.readouts.base import ReadOut


class TreeReadOut(ReadOut):
    """The mean of many trees with random thresholds; the trees are divided among the members.

    Parameters
    ----------
    trees
        Total number of trees of all members.
    leaf
        Minimum number of training complexes in a leaf.
    columns
        Fraction of the features that each split may choose from.
    options
        See `ReadOut`.
    """

    def __init__(
        self,
        *,
        trees: AtLeastOne = 300,
        leaf: AtLeastOne = 2,
        columns: Annotated[float, Range(least=0.01, most=1)] = 0.3,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.trees, self.leaf, self.columns = trees, leaf, columns
        self._forest: Forest | None = None
        self._members = 1

    def _fit(
        self, features: np.ndarray, labels: np.ndarray, weights: np.ndarray, members: int, seed: int
    ) -> None:
        from sklearn.ensemble import ExtraTreesRegressor

        model = ExtraTreesRegressor(
            max(self.trees, members),
            min_samples_leaf=self.leaf,
            max_features=self.columns,
            random_state=seed,
            n_jobs=-1,
        )
        model.fit(features, labels, sample_weight=weights)
        self._forest, self._members = Forest.from_trees(model.estimators_), members

    def _predict(self, features: np.ndarray) -> np.ndarray:
        assert self._forest is not None
        of_members = np.array_split(self._forest.by_tree(features), self._members)
        return np.stack([trees.mean(axis=0, dtype=np.float64) for trees in of_members])

    def _arrays(self) -> dict[str, np.ndarray]:
        assert self._forest is not None
        return self._forest.arrays()

    def _load(self, arrays: Mapping[str, np.ndarray], width: int, members: int) -> None:
        forest = Forest.from_arrays(arrays, width)
        if len(forest) < members:
            raise ModelError(f"the read-out has {len(forest)} trees for {members} members")
        self._forest, self._members = forest, members
