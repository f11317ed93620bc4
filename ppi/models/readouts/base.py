"""What a read-out is: fitted to what a head pools, saved as arrays."""

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
    """What a read-out knows of ``N`` complexes.

    Attributes
    ----------
    vectors
        ``(N, S, W)`` float32, as `heads.base.Head.pooled` gives them.
    described
        ``(N, 2, 24)``; see `ppi.models.readouts.descriptors.described_sides`.
    """

    vectors: np.ndarray
    described: np.ndarray


class ReadOut(ABC):
    """From what a head pools to pKd; an exchange of the two pooled sides changes nothing.

    Parameters
    ----------
    components
        Most principal components of what is pooled.
    blocks
        Equal parts of the pooled vector that get as many components each: 3 for the pooling ``statistics``
        (mean, standard deviation, maximum), times the number of layers.
    group_power
        A training complex weighs one over the size of its group to this power: 0 counts complexes alike,
        1 counts groups alike.
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
            What the head pools of ``N`` complexes.
        labels
            ``(N,)`` what is to be predicted.
        weights
            ``(N,)`` of the complexes, before they share the weight of their group.
        group_sizes
            ``(N,)`` how many of the complexes share the group of each.
        members
            How many predictions are wanted for each complex; ridge and Gaussian processes give one.
        seed
            Seed of the random numbers.
        """
        weights = weights * np.asarray(group_sizes, dtype=np.float64) ** -self.group_power
        self._features = Features.fit(pooled.vectors, weights, self.components, self.blocks)
        self._fit(self._features.of(*pooled), labels, weights, members, seed)

    def fit_partners(self, true: Pooled, wrong: Pooled, *, seed: int) -> None:
        """Learn to tell pairs that bind from wrong ones; the read-out itself is fitted before.

        Parameters
        ----------
        true, wrong
            Of pairs that are known to bind, and of sides that were put together at random.
        seed
            Seed of the random numbers.
        """
        self._partners = fit_partners(self.features.of(*true), self.features.of(*wrong), seed=seed)

    def predict(self, pooled: Pooled) -> np.ndarray:
        """Return ``(M, N)`` float64: what each member says of each complex."""
        return self._predict(self.features.of(*pooled))

    def partner_score(self, pooled: Pooled) -> np.ndarray:
        """Return ``(N,)``, 0 to 1: whether the two sides look like partners; NaN if that was not learnt."""
        return self._partner_score(self.features.of(*pooled))

    def of_features(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return `predict` and `partner_score` of ``(N, F)`` features that are there already."""
        return self._predict(features), self._partner_score(features)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that was fitted, by name."""
        partners = {} if self._partners is None else self._partners.arrays()
        named = {_PARTNERS + name: array for name, array in partners.items()}
        return self.features.arrays() | self._arrays() | named

    def load(self, arrays: Mapping[str, np.ndarray], *, sides: int, members: int) -> None:
        """Take over what `arrays` gave.

        Parameters
        ----------
        arrays
            By name.
        sides
            How many vectors the head pools of a complex.
        members
            How many predictions a complex gets.

        Raises
        ------
        ModelError
            If an array is missing, damaged or of another read-out.
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
        """How features are made of what is pooled.

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
        """Return what was fitted beside the features."""

    @abstractmethod
    def _load(self, arrays: Mapping[str, np.ndarray], width: int, members: int) -> None:
        """Take over what `_arrays` gave, for features of this width."""


def build_readout(name: str, options: Mapping[str, object] | None = None) -> ReadOut:
    """Make a read-out from its name and options.

    Raises
    ------
    ValueError
        If the name or an option is not known, or an option does not take its value.
    TypeError
        If what is listed under the name is no read-out.
    """
    made = make_part(READOUTS, name, options=options)
    if not isinstance(made, ReadOut):
        raise TypeError(
            f"the read-out {name} is a {type(made).__name__}; derive its class from {__name__}.ReadOut"
        )
    return made
