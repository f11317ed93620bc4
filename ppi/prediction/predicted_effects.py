"""What the model of mutation effects says of the complexes around a measured one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ppi.complexes import Complex
from ppi.effects.features import Context
from ppi.effects.location import LOCATION_NAMES
from ppi.effects.model import EffectModel, combine
from ppi.effects.mutations import Mutation, mutations_between
from ppi.io.predictions import KCAL_PER_PKD

_INTERFACE = LOCATION_NAMES.index("interface")
#: Complexes whose embeddings, locations and effects are kept.
_KEPT = 64


class _Known(NamedTuple):
    """What is known of a complex: its context, and effects of mutations that were predicted before."""

    context: Context
    effects: dict[Mutation, float]


class PredictedEffects:
    """Predicted pKd of complexes, minus that of one from which they differ by substitutions.

    Parameters
    ----------
    model
        Model of mutation effects.
    """

    def __init__(self, model: EffectModel) -> None:
        self._model = model
        self._known = lru_cache(_KEPT)(self._described)

    def __call__(self, reference: Complex, items: Sequence[Complex]) -> np.ndarray:
        """Return the ``(N,)`` differences in pKd units; see `ppi.prediction.anchoring.Effects`."""
        variants = [mutations_between(reference, item, skip_unknown=True) for item in items]
        known = self._known(reference.ligand, reference.receptor)
        requested = {mutation for variant in variants for mutation in variant}
        # Another thread may add effects meanwhile, so these are not iterated over.
        new = sorted(mutation for mutation in requested if mutation not in known.effects)
        if new:
            found = self._model.effects_in(known.context, new)
            known.effects.update(zip(new, found.tolist(), strict=True))
        crowding = self._model.parts.config.crowding
        effects = [[known.effects[mutation] for mutation in variant] for variant in variants]
        return np.array([combine(each, crowding) for each in effects]) / -KCAL_PER_PKD

    def interface(self, reference: Complex) -> tuple[np.ndarray, np.ndarray]:
        """Return the probability of each residue of both sides to be at the interface."""
        ligand, receptor = self._known(reference.ligand, reference.receptor).context.locations
        return ligand[:, _INTERFACE], receptor[:, _INTERFACE]

    def _described(self, ligand: tuple[str, ...], receptor: tuple[str, ...]) -> _Known:
        return _Known(self._model.context(Complex("reference", ligand, receptor)), {})
