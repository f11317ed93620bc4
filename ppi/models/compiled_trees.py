"""Decision trees evaluated by the compiled code of scikit-learn, which for many rows is much faster than
numpy.

scikit-learn has no public way to make a tree from arrays. This module uses the state that it pickles, which
may change between its versions: a tree in another format raises an error instead of predicting wrongly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ppi.models.forest import Forest

#: Number of rows whose features stay in the caches of a core while many trees are evaluated.
_AT_ONCE = 4096


class CompiledTrees:
    """The trees of a forest as scikit-learn has them.

    Parameters
    ----------
    forest
        Forest over rows of at least one feature.

    Raises
    ------
    Exception
        An exception of any kind, if scikit-learn stores its trees in another format.
    """

    def __init__(self, forest: Forest) -> None:
        ends = np.append(forest.starts[1:], len(forest.feature))
        self._trees = [_tree(forest, slice(*ends)) for ends in zip(forest.starts, ends, strict=True)]

    def by_tree(self, rows: np.ndarray) -> np.ndarray:
        """Return ``(T, N)`` float32; see `ppi.models.forest.Forest.by_tree`."""
        found = np.empty((len(self._trees), len(rows)), dtype=np.float32)
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            for of_tree, tree in zip(found, self._trees, strict=True):
                of_tree[start : start + _AT_ONCE] = tree.predict(part)[:, 0]
        return found


def _tree(forest: Forest, part: slice) -> Any:
    from sklearn.tree._tree import NODE_DTYPE, Tree

    feature, number, right = forest.feature[part], forest.number[part], forest.right[part]
    leaf, place = feature < 0, np.arange(len(feature))
    nodes = np.zeros(len(feature), dtype=NODE_DTYPE)
    nodes["left_child"] = np.where(leaf, -1, place + 1)
    nodes["right_child"] = np.where(leaf, -1, place + right)
    nodes["feature"], nodes["threshold"] = feature, number
    values = number.astype(np.float64).reshape(-1, 1, 1)
    tree = Tree(int(forest.feature.max()) + 1, np.array([1], dtype=np.intp), 1)
    # The depth is not used for predictions.
    tree.__setstate__({"max_depth": 0, "node_count": len(nodes), "nodes": nodes, "values": values})
    return tree
