"""An adapted model whose answers are known: additive effects of sites and residues, drawn once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ppi.complexes import Complex
from ppi.effects.mutations import Mutation, Side, apply_mutations, mutations_between, parse_mutation


class KnownSurrogate:
    """The value of a variant is 5 and the sum of its mutations' values, each normal and independent.

    Parameters
    ----------
    wild
        The reference, whose value is 5 and certain.
    effects
        Mean and standard deviation of mutations; 0 and 1 for others.
    measured
        Variants as text, mutations joined by ``+``, and their values.
    column
        What the values are called.
    """

    def __init__(
        self,
        wild: Complex,
        effects: Mapping[str, tuple[float, float]],
        measured: Mapping[str, float],
        column: str = "score",
    ) -> None:
        self.wild, self.column = wild, column
        self.chain_names: Mapping[Side, tuple[str, ...]] = {}
        self._effects = {parse_mutation(text, wild): effect for text, effect in effects.items()}
        rows = []
        for text, value in measured.items():
            item = apply_mutations(wild, [parse_mutation(part, wild) for part in text.split("+") if part])
            sides = {"ligand": ":".join(item.ligand), "receptor": ":".join(item.receptor)}
            rows.append({"id": item.id, **sides, "value": value, "side": 0})
        self.measured = pd.DataFrame(rows)

    def predict(self, complexes: Sequence[Complex]) -> tuple[np.ndarray, np.ndarray]:
        effects = [[self._effect(item) for item in self._variant(each)] for each in complexes]
        mean = [5 + sum(mean for mean, _ in each) for each in effects]
        std = [sum(std**2 for _, std in each) ** 0.5 for each in effects]
        return np.array(mean), np.array(std)

    def half_width(self, spread: np.ndarray) -> np.ndarray:
        return 2 * spread

    def sample(self, complexes: Sequence[Complex], count: int, seed: int) -> np.ndarray:
        variants = [self._variant(each) for each in complexes]
        mutations = sorted({item for variant in variants for item in variant})
        known = np.array([self._effect(item) for item in mutations]).reshape(-1, 2)
        normal = np.random.default_rng(seed).normal(size=(count, len(mutations)))
        values = known[:, 0] + known[:, 1] * normal
        has = np.array([[item in variant for item in mutations] for variant in variants])
        return 5 + values @ has.reshape(len(variants), -1).T

    def _variant(self, item: Complex) -> tuple[Mutation, ...]:
        return mutations_between(self.wild, item)

    def _effect(self, mutation: Mutation) -> tuple[float, float]:
        return self._effects.get(mutation, (0.0, 1.0))
