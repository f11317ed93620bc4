"""Decision trees as plain arrays, which are saved without pickle, loaded without scikit-learn, and fast for
one row.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ppi.errors import ModelError
from ppi.models.compiled_trees import CompiledTrees

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeRegressor

_LOG = logging.getLogger(__name__)
#: Maximum number of (tree, row) pairs that are evaluated at once.
_AT_ONCE = 4_000_000
#: Number of rows from which on compiled trees are faster.
_MANY = 1024
_ARRAYS = ("feature", "number", "right", "starts")


@dataclass(frozen=True)
class Forest:
    """Regression trees over rows of ``F`` features, with all ``K`` nodes in shared arrays.

    The left child of a node is the next node, as scikit-learn numbers nodes depth first.

    Attributes
    ----------
    feature
        ``(K,)`` int16: feature that a node tests; -1 for a leaf.
    number
        ``(K,)`` float32: threshold (a row goes left if its feature is at most this), or prediction of a leaf.
    right
        ``(K,)`` int32: offset of the right child from its node; 0 for a leaf.
    starts
        ``(T,)`` int64: the first node of each tree.
    """

    feature: np.ndarray
    number: np.ndarray
    right: np.ndarray
    starts: np.ndarray

    @classmethod
    def from_trees(cls, trees: Iterable[DecisionTreeRegressor]) -> Forest:
        """Convert fitted trees of one output.

        Predictions equal those of scikit-learn in float32: its rows are also float32, so a threshold can be
        rounded down to float32 without changing the path of any row. There are at most 32,767 features.
        """
        feature, number, right, sizes = [], [], [], []
        for tree in trees:
            nodes = tree.tree_
            if nodes.n_features > np.iinfo(np.int16).max:
                raise ModelError(
                    f"trees over {nodes.n_features} features cannot be saved; at most 32,767 features are "
                    "possible"
                )
            leaf = nodes.children_left < 0
            places = np.arange(nodes.node_count)
            assert (nodes.children_left[~leaf] == places[~leaf] + 1).all()
            feature.append(np.where(leaf, -1, nodes.feature).astype(np.int16))
            number.append(np.where(leaf, nodes.value[:, 0, 0], _rounded_down(nodes.threshold)))
            right.append(np.where(leaf, 0, nodes.children_right - places).astype(np.int32))
            sizes.append(nodes.node_count)
        starts = np.cumsum([0, *sizes[:-1]], dtype=np.int64)
        numbers = np.concatenate(number).astype(np.float32)
        return cls(np.concatenate(feature), numbers, np.concatenate(right), starts)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], features: int) -> Forest:
        """Restore from the result of `arrays`.

        Parameters
        ----------
        arrays
            Arrays by name.
        features
            Width of the rows, ``F``.

        Raises
        ------
        ModelError
            If an array is missing, or the arrays do not describe trees over so many features.
        """
        missing = [name for name in _ARRAYS if name not in arrays]
        if missing:
            raise ModelError(f"the trees are incomplete: {', '.join(missing)} is missing")
        forest = cls(*(np.asarray(arrays[name]) for name in _ARRAYS))
        forest._check(features)
        return forest

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name, for saving."""
        return {name: getattr(self, name) for name in _ARRAYS}

    def __len__(self) -> int:
        return len(self.starts)

    def by_tree(self, rows: np.ndarray) -> np.ndarray:
        """Return ``(T, N)``: the prediction of each tree for each of ``(N, F)`` rows."""
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        if len(rows) >= _MANY and self._compiled is not None:
            return self._compiled.by_tree(rows)
        found = np.empty((len(self), len(rows)), dtype=np.float32)
        size = max(1, _AT_ONCE // len(self))
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            found[:, start : start + size] = self.number[self._leaves(part)].reshape(len(self), len(part))
        return found

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Return ``(N,)`` float64: the mean of all trees for each of ``(N, F)`` rows."""
        return self.by_tree(rows).mean(axis=0, dtype=np.float64)

    @cached_property
    def _compiled(self) -> CompiledTrees | None:
        """Compiled trees; None if the installed scikit-learn stores trees in another format."""
        try:
            return CompiledTrees(self)
        except Exception as error:
            _LOG.warning(
                (
                    "this version of scikit-learn cannot use the trees of the model (%s: %s); numpy "
                    "evaluates them with the same result, about four times slower"
                ),
                type(error).__name__,
                error,
            )
            return None

    def _leaves(self, rows: np.ndarray) -> np.ndarray:
        """Return ``(T * N,)``, the leaf that each row reaches in each tree."""
        node = np.repeat(self.starts, len(rows))
        row = np.tile(np.arange(len(rows)), len(self))
        moving = np.flatnonzero(self.feature[node] >= 0)
        while len(moving):
            at = node[moving]
            goes_left = rows[row[moving], self.feature[at]] <= self.number[at]
            node[moving] = at + np.where(goes_left, 1, self.right[at])
            moving = moving[self.feature[node[moving]] >= 0]
        return node

    def _check(self, features: int) -> None:
        """Raise unless every path through the trees ends in a leaf of the same tree."""
        count = len(self.feature)
        one_length = len(self.number) == len(self.right) == count > 0
        if not (one_length and len(self.starts) and self.starts[0] == 0 and (np.diff(self.starts) > 0).all()):
            raise ModelError("the trees are damaged: their arrays do not fit each other")
        if self.starts[-1] >= count:
            raise ModelError("the trees are damaged: a tree begins after the last node")
        ends = np.append(self.starts[1:], count)
        end = np.repeat(ends, ends - self.starts)
        leaf, place = self.feature < 0, np.arange(count)
        inside = (self.right > 1) & (place + self.right < end)
        if not (inside | leaf).all() or (self.feature >= features).any():
            raise ModelError(
                "the trees are damaged: a node points outside its tree or tests a feature that does not exist"
            )
        if not np.isfinite(self.number).all():
            raise ModelError("the trees are damaged: a number in them is NaN or infinite")


def _rounded_down(numbers: np.ndarray) -> np.ndarray:
    """Return the largest float32 that is at most each number."""
    nearest = numbers.astype(np.float32)
    return np.where(nearest > numbers, np.nextafter(nearest, np.float32(-np.inf)), nearest)
