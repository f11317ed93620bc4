"""The base class of read-outs, which are fitted to pooled vectors and saved as arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, NamedTuple

import numpy as np

from heads.options import AtLeastOne, Range, make_part
from ppi.errors import ModelError
from ppi.models.forest import Forest
from ppi.models.readouts.features import Features
from ppi.models.readouts.names import READOUTS
from ppi.models.readouts.partners import fit_partners

#: Prefix of the arrays of the partner score.
_PARTNERS = "partners."


class Pooled(NamedTuple):
    """The inputs of a read-out for ``N`` complexes.

    Attributes
    ----------
    vectors
        ``(N, S, W)`` float32 pooled vectors; see `heads.base.Head.pooled`.
    described
        ``(N, 2, 24)`` descriptors; see `ppi.models.readouts.descriptors.described_sides`.
    """

    vectors: np.ndarray
    described: np.ndarray


class ReadOut(ABC):
    """A model from pooled vectors to pKd that is invariant to exchanging the two sides.

    Parameters
    ----------
    components
        Maximum number of principal components of the pooled vectors.
    blocks
        Number of equal parts of the pooled vector, which share the components evenly: 3 for the pooling
        ``statistics`` (mean, standard deviation, maximum), times the number of layers.
    group_power
        A training complex has the weight 1 / (size of its group) to this power: 0 gives complexes equal
        weights, 1 gives groups equal weights.
    """

    def __init__(
        self,
        *,
        components: AtLeastOne = 160,
        blocks: AtLeastOne = 1,
        group_power: Annotated[float, Range(0, 1)] = 0.5,
    ) -> None:
        self.components, self.blocks, self.group_power = components, blocks, group_power
        self._features: Features | None = None
        self._partners: Forest | None = None

    def fit(
        self,
        pooled: Pooled,
        labels: np.ndarray,
        weights: np.ndarray,
        group_sizes: np.ndarray,
        *,
        members: int,
        seed: int,
    ) -> None:
        """Fit to training complexes.

        Parameters
        ----------
        pooled
            Inputs of ``N`` complexes.
        labels
            ``(N,)`` values to predict.
        weights
            ``(N,)`` weights of the complexes, before the division by group size.
        group_sizes
            ``(N,)`` number of complexes in the group of each complex.
        members
            Number of predictions per complex; ridge and Gaussian processes give one.
        seed
            Seed of the random numbers.
        """
        weights = weights * np.asarray(group_sizes, dtype=np.float64) ** -self.group_power
        self._features = Features.fit(pooled.vectors, weights, self.components, self.blocks)
        self._fit(self._features.of(*pooled), labels, weights, members, seed)

    def fit_partners(self, true: Pooled, wrong: Pooled, *, seed: int) -> None:
        """Learn to distinguish true pairs from wrong ones; `fit` must run before.

        Parameters
        ----------
        true, wrong
            Inputs of pairs that are known to bind, and of randomly paired sides.
        seed
            Seed of the random numbers.
        """
        self._partners = fit_partners(self.features.of(*true), self.features.of(*wrong), seed=seed)

    def predict(self, pooled: Pooled) -> np.ndarray:
        """Return ``(M, N)`` float64: the prediction of each member for each complex."""
        return self._predict(self.features.of(*pooled))

    def partner_score(self, pooled: Pooled) -> np.ndarray:
        """Return ``(N,)`` partner scores, 0 to 1; NaN if they were not fitted."""
        return self._partner_score(self.features.of(*pooled))

    def of_features(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return `predict` and `partner_score` for ``(N, F)`` features."""
        return self._predict(features), self._partner_score(features)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all fitted arrays by name."""
        partners = {} if self._partners is None else self._partners.arrays()
        named = {_PARTNERS + name: array for name, array in partners.items()}
        return self.features.arrays() | self._arrays() | named

    def load(self, arrays: Mapping[str, np.ndarray], *, sides: int, members: int) -> None:
        """Take over what `arrays` gave.

        Parameters
        ----------
        arrays
            Arrays by name.
        sides
            Number of pooled vectors per complex.
        members
            Number of predictions per complex.

        Raises
        ------
        ModelError
            If an array is missing, damaged or belongs to another read-out.
        """
        features = Features.from_arrays(arrays)
        width = features.width(sides)
        partners = {
            name.removeprefix(_PARTNERS): array
            for name, array in arrays.items()
            if name.startswith(_PARTNERS)
        }
        self._partners = Forest.from_arrays(partners, width) if partners else None
        try:
            self._load(arrays, width, members)
        except KeyError as error:
            raise ModelError(f"the read-out is incomplete: {error.args[0]} is missing") from error
        self._features = features

    @property
    def features(self) -> Features:
        """The transformation of pooled vectors to features.

        Raises
        ------
        ModelError
            If the read-out is not fitted.
        """
        if self._features is None:
            raise ModelError("the read-out is not fitted yet")
        return self._features

    def _partner_score(self, features: np.ndarray) -> np.ndarray:
        return np.full(len(features), np.nan) if self._partners is None else self._partners.predict(features)

    @abstractmethod
    def _fit(
        self, features: np.ndarray, labels: np.ndarray, weights: np.ndarray, members: int, seed: int
    ) -> None:
        """Fit to ``(N, F)`` features and ``(N,)`` labels."""

    @abstractmethod
    def _predict(self, features: np.ndarray) -> np.ndarray:
        """Return ``(M, N)`` from ``(N, F)`` features."""

    @abstractmethod
    def _arrays(self) -> dict[str, np.ndarray]:
        """Return the fitted arrays except those of the features."""

    @abstractmethod
    def _load(self, arrays: Mapping[str, np.ndarray], width: int, members: int) -> None:
        """Restore from the result of `_arrays`, for features of this width."""


def build_readout(name: str, options: Mapping[str, object] | None = None) -> ReadOut:
    """Make a read-out from its name and options.

    Raises
    ------
    ValueError
        If the name or an option is unknown, or the value of an option is invalid.
    TypeError
        If the class under the name is not a read-out.
    """
    made = make_part(READOUTS, name, options=options)
    if not isinstance(made, ReadOut):
        raise TypeError(
            f"the read-out {name} is a {type(made).__name__}; derive its class from {__name__}.ReadOut"
        )
    return made
