"""The variants that an adapted model has learnt from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ppi.complexes import Complex, split_side
from ppi.effects.mutations import mutations_between
from ppi.prediction.adapting.surrogate import Surrogate
from ppi.prediction.scanning.choice import Variant


@dataclass(frozen=True)
class Measured:
    """What has been measured.

    Attributes
    ----------
    complexes
        In the order of the measurements.
    variants
        Their mutations; none for the reference.
    best, best_value
        The one with the highest value, and this value; one whose value is only known to lie below a bound
        counts where all are so.
    """

    complexes: list[Complex]
    variants: frozenset[Variant]
    best: Complex
    best_value: float

    @classmethod
    def of(cls, model: Surrogate) -> Measured:
        """Return what an adapted model has learnt from."""
        complexes = [
            Complex(str(row["id"]), split_side(row["ligand"]), split_side(row["receptor"]))
            for row in model.measured.to_dict("records")
        ]
        variants = (mutations_between(model.wild, item, skip_unknown=True) for item in complexes)
        values = model.measured["value"].to_numpy(dtype=float)
        reached = model.measured["side"].to_numpy() >= 0
        top = int(np.where(reached | ~reached.any(), values, -np.inf).argmax())
        return cls(complexes, frozenset(variants), complexes[top], float(values[top]))
