"""The units of complexes, with the side of each chain."""

from __future__ import annotations

from collections.abc import Sequence

from heads.names import EncodingUnit
from heads.ragged import BOTH, LIGAND, RECEPTOR
from ppi.backbones.base import Unit
from ppi.complexes import Complex
from ppi.embedding.units import EncodedComplex, encode_complexes

#: A unit, and the side of each of its chains.
SidedUnit = tuple[Unit, tuple[int, ...]]


def sides_of_units(item: Complex, encoded: EncodedComplex) -> list[SidedUnit]:
    """Return the units of an encoded complex, each with the side of its chains."""
    found: list[SidedUnit] = []
    for number, (unit, role) in enumerate(zip(encoded.units, encoded.roles, strict=True)):
        if role != BOTH:
            found.append((unit, (role,) * len(unit)))
            continue
        sides = (LIGAND,) * len(item.ligand) + (RECEPTOR,) * len(item.receptor)
        # The second unit of a complex in both orders has the receptor first.
        found.append((unit, sides if number == 0 else sides[len(item.ligand) :] + sides[: len(item.ligand)]))
    return found


def units_of(
    complexes: Sequence[Complex], encoding_unit: EncodingUnit, max_residues: int
) -> list[list[SidedUnit]]:
    """Return the units of each complex.

    Raises
    ------
    ppi.errors.InputError
        If one is longer than `max_residues`.
    """
    encoded, _ = encode_complexes(complexes, encoding_unit, max_residues)
    return [sides_of_units(item, each) for item, each in zip(complexes, encoded, strict=True)]
