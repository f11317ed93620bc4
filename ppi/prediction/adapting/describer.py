"""What the model of mutation effects knows of the mutations of one complex."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ppi.complexes import Complex
from ppi.effects.features import Context
from ppi.effects.location import LOCATION_NAMES
from ppi.effects.model import EffectModel
from ppi.effects.mutations import SIDES, Mutation
from ppi.io.predictions import KCAL_PER_PKD

#: About the standard deviation of each predicted number of a location between mutated residues.
LOCATION_SPREAD = dict(
    zip(LOCATION_NAMES, (0.25, 0.3, 0.25, 0.2, 0.2, 0.15, 0.2, 0.2, 0.6, 0.25), strict=True)
)


class EffectDescriber:
    """Describes mutations by predicted effects and by the predicted locations of their sites.

    Parameters
    ----------
    model
        The model of mutation effects.
    wild
        The complex before the mutations.
    """

    def __init__(self, model: EffectModel, wild: Complex) -> None:
        self._model, self._wild = model, wild
        self._context: Context | None = None
        self._effects: dict[Mutation, float] = {}
        self.crowding = model.parts.config.crowding

    def effects(self, mutations: Sequence[Mutation]) -> np.ndarray:
        """Return ``(M,)`` predicted changes of pKd; positive means stronger binding."""
        new = [item for item in mutations if item not in self._effects]
        if new:
            found = self._model.effects_in(self._known(), new) / -KCAL_PER_PKD
            self._effects.update(zip(new, found.tolist(), strict=True))
        return np.array([self._effects[item] for item in mutations], dtype=np.float64)

    def sites(self, mutations: Sequence[Mutation]) -> np.ndarray:
        """Return ``(M, 10)`` predicted locations, each number in units of its usual spread."""
        return scaled_locations(self._known(), mutations)

    def _known(self) -> Context:
        # The language model is asked when the first mutation is.
        if self._context is None:
            self._context = self._model.context(self._wild)
        return self._context


def scaled_locations(context: Context, mutations: Sequence[Mutation]) -> np.ndarray:
    """Return ``(M, 10)`` locations of the sites of mutations, in units of `LOCATION_SPREAD`."""
    spread = np.array([LOCATION_SPREAD[name] for name in LOCATION_NAMES])
    found = [_location(context, item) for item in mutations]
    return np.array(found, dtype=np.float64).reshape(-1, len(spread)) / spread


def _location(context: Context, item: Mutation) -> np.ndarray:
    side = SIDES.index(item.side)
    start = sum(map(len, context.sides[side][: item.chain - 1]))
    row: np.ndarray = context.locations[side][start + item.position - 1]
    return row
