"""What the model of mutation effects says of the complexes around a measured one."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ppi.complexes import UNKNOWN, Complex
from ppi.effects.features import Context
from ppi.effects.model import EffectModel, combine
from ppi.effects.mutations import SIDES, Mutation
from ppi.io.predictions import GAS_CONSTANT, STANDARD_TEMPERATURE

#: kcal/mol of dG a unit of pKd.
_KCAL = math.log(10) * GAS_CONSTANT * STANDARD_TEMPERATURE
#: Complexes whose embeddings and locations are kept.
_KEPT = 64


class PredictedEffects:
    """Predicted pKd of complexes, minus that of one from which they differ by substitutions.

    Parameters
    ----------
    model
        Of mutation effects.
    """

    def __init__(self, model: EffectModel) -> None:
        self._model = model
        self._context = lru_cache(_KEPT)(self._described)

    @classmethod
    def load(cls, device: str, store: str | os.PathLike[str] | None) -> PredictedEffects:
        """Load the model in the package.

        Raises
        ------
        ModelError
            If it is damaged.
        """
        return cls(EffectModel.load(device=device, store=store))

    def __call__(self, reference: Complex, items: Sequence[Complex]) -> np.ndarray:
        """Return the ``(N,)`` differences in pKd units; see `ppi.prediction.anchoring.Effects`."""
        variants = [_substitutions(reference, item) for item in items]
        singles = sorted({mutation for variant in variants for mutation in variant})
        if not singles:
            return np.zeros(len(items))
        context = self._context(reference.ligand, reference.receptor)
        effect = dict(zip(singles, self._model.effects_in(context, singles), strict=True))
        crowding = self._model.parts.config.crowding
        ddg = [combine([effect[mutation] for mutation in variant], crowding) for variant in variants]
        return np.array(ddg) / -_KCAL

    def _described(self, ligand: tuple[str, ...], receptor: tuple[str, ...]) -> Context:
        return self._model.context(Complex("reference", ligand, receptor))


def _substitutions(reference: Complex, item: Complex) -> list[Mutation]:
    """Return the mutations between complexes of equal lengths; an unknown residue is none."""
    return [
        Mutation(side, number, position, before, after)
        for side in SIDES
        for number, chains in enumerate(zip(getattr(reference, side), getattr(item, side), strict=True), 1)
        for position, (before, after) in enumerate(zip(*chains, strict=True), 1)
        if before != after and UNKNOWN not in (before, after)
    ]
