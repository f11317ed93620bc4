"""What is asked of a model that was adapted to the measured variants of one complex."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from ppi.complexes import Complex
from ppi.effects.mutations import Side


class Surrogate(Protocol):
    """Predicts variants of one complex, and says how sure it is.

    Attributes
    ----------
    wild
        The reference, from which all variants differ by substitutions.
    measured
        What was measured: columns ``id, ligand, receptor`` (chains joined by ``:``), ``value``, of which a
        higher one is better, and ``side``: -1 or 1 where the true value lies below or above, else 0.
    column
        What the values are called in the table that was learnt from. Of ``ddg_kcal_mol`` they have the other
        sign.
    chain_names
        Names of the chains of each side of the reference; none for a side whose chains have no names.
    """

    wild: Complex
    chain_names: Mapping[Side, tuple[str, ...]]

    @property
    def measured(self) -> pd.DataFrame:
        """What was measured."""
        ...

    @property
    def column(self) -> str:
        """What the values are called."""
        ...

    def predict(self, complexes: Sequence[Complex]) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(N,)`` means and ``(N,)`` standard deviations of the true values; higher is better."""
        ...

    def half_width(self, spread: np.ndarray) -> np.ndarray:
        """Return half of the 90 % intervals of what would be measured, for ``(N,)`` standard deviations."""
        ...

    def sample(self, complexes: Sequence[Complex], count: int, seed: int) -> np.ndarray:
        """Return ``(count, N)`` draws from the joint posterior distribution of the true values."""
        ...
