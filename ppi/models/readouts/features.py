"""Features of a complex from the pooled vectors of its two sides, invariant to their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ppi.errors import ModelError, SettingsError
from ppi.models.readouts.descriptors import WIDTH

_ARRAYS = ("centre", "scale", "components")


@dataclass(frozen=True)
class Features:
    """Standardises pooled vectors, projects them on their principal components, and makes them symmetric.

    Attributes
    ----------
    centre, scale
        ``(W,)`` float32: offset that is subtracted from each column, and scale that divides it.
    components
        ``(C, W)`` float32 principal components, each of one block of neighbouring columns and 0 elsewhere.
    """

    centre: np.ndarray
    scale: np.ndarray
    components: np.ndarray

    @classmethod
    def fit(cls, pooled: np.ndarray, weights: np.ndarray, components: int, blocks: int = 1) -> Features:
        """Find the principal components of training sides.

        Parameters
        ----------
        pooled
            ``(N, S, W)`` pooled vectors of training complexes.
        weights
            ``(N,)`` weights of the complexes.
        components
            Maximum number of components, shared evenly by the blocks.
        blocks
            Number of equal parts of the columns.

        Raises
        ------
        SettingsError
            If the columns cannot be cut into so many blocks, or there are fewer components than blocks.
        """
        width = pooled.shape[2]
        if width % blocks or components < blocks:
            raise SettingsError(
                f"the read-out has {components} components and {blocks} blocks, but the head pools vectors "
                f"of width {width}; choose blocks that divide the width, no more than there are components"
            )
        from scipy.linalg import block_diag

        rows, places = np.unique(pooled.reshape(-1, pooled.shape[2]), axis=0, return_inverse=True)
        weight = np.bincount(places.ravel(), np.repeat(weights, pooled.shape[1]), len(rows))
        centre = np.average(rows, axis=0, weights=weight)
        scale = np.sqrt(np.average((rows - centre) ** 2, axis=0, weights=weight))
        scale[scale < 1e-6] = 1.0  # A constant column has no information.
        parts = np.split((rows - centre) / scale, blocks, axis=1)
        found = block_diag(*(_components(part, components // blocks) for part in parts))
        return cls(*(np.ascontiguousarray(array, dtype=np.float32) for array in (centre, scale, found)))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Features:
        """Take over what `arrays` gave.

        Raises
        ------
        ModelError
            If an array is missing, or they do not fit each other.
        """
        try:
            features = cls(*(np.asarray(arrays[name], dtype=np.float32) for name in _ARRAYS))
        except KeyError as error:
            raise ModelError(f"the read-out is incomplete: {error.args[0]} is missing") from error
        width = features.centre.shape
        if len(width) != 1 or features.scale.shape != width or features.components.shape[1:] != width:
            raise ModelError("the read-out is damaged: its arrays do not fit each other")
        return features

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name, to be saved."""
        return {name: getattr(self, name) for name in _ARRAYS}

    def width(self, sides: int) -> int:
        """Return ``F``, the number of features of a complex with a given number of pooled vectors."""
        return 2 * WIDTH + len(self.components) * sides

    def of(self, pooled: np.ndarray, described: np.ndarray) -> np.ndarray:
        """Return ``(N, F)`` float32 features of complexes.

        Parameters
        ----------
        pooled
            ``(N, S, W)`` pooled vectors; see `heads.base.Head.pooled`.
        described
            ``(N, 2, 24)`` descriptors; see `ppi.models.readouts.descriptors.described_sides`.
        """
        return self.join(self.project(pooled), described)

    def project(self, pooled: np.ndarray) -> np.ndarray:
        """Return ``(N, S, C)`` float32: standardised principal components of ``(N, S, W)`` pooled vectors.

        Raises
        ------
        ModelError
            If the vectors have another width.
        """
        if pooled.shape[2] != len(self.centre):
            raise ModelError(
                f"the read-out takes vectors of width {len(self.centre)}; the head pools {pooled.shape[2]}"
            )
        # Complexes are computed one by one: a product of many rows may round differently, which can change a
        # tree's path.
        return np.stack([((one - self.centre) / self.scale) @ self.components.T for one in pooled])

    @staticmethod
    def join(projected: np.ndarray, described: np.ndarray) -> np.ndarray:
        """Return ``(N, F)`` float32 features from the result of `project` and the descriptors; see `of`."""
        symmetric = _symmetric(projected) if projected.shape[1] == 2 else projected[:, 0]
        return np.concatenate([_symmetric(described), symmetric], axis=1, dtype=np.float32)


def _components(rows: np.ndarray, most: int) -> np.ndarray:
    """Return the ``(C, W)`` principal components of ``(N, W)`` rows."""
    from sklearn.decomposition import PCA

    found = PCA(min(most, *rows.shape), svd_solver="randomized", random_state=0).fit(rows)
    # Columns may be dependent; then the last components contain only rounding errors.
    kept: np.ndarray = found.components_[found.explained_variance_ > 1e-6 * found.explained_variance_[0]]
    return kept


def _symmetric(sides: np.ndarray) -> np.ndarray:
    """Return ``(N, 2 W)``: sum and absolute difference of the two ``(N, 2, W)`` sides."""
    first, second = sides[:, 0], sides[:, 1]
    return np.concatenate([first + second, np.abs(first - second)], axis=1)
