"""Units of encoding: what a backbone encodes together for a head."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

from heads.names import EncodingUnit
from heads.ragged import BOTH, LIGAND, RECEPTOR, Chains
from ppi.backbones.base import Unit
from ppi.complexes import Complex
from ppi.errors import InputError, PpiWarning
from ppi.plurals import counted


@dataclass(frozen=True)
class EncodedComplex:
    """The units of one complex and their roles, ligand first.

    Attributes
    ----------
    units, roles
        Units, and `LIGAND`, `RECEPTOR` or `BOTH` for each.
    sides
        Side of each chain of each unit.
    """

    units: tuple[Unit, ...]
    roles: tuple[int, ...]
    sides: tuple[tuple[int, ...], ...]

    @classmethod
    def of_sides(cls, units: tuple[Unit, ...], roles: tuple[int, ...]) -> EncodedComplex:
        """Make it from units whose chains belong to one side each."""
        return cls(units, roles, tuple((role,) * len(unit) for unit, role in zip(units, roles, strict=True)))

    @property
    def chains(self) -> list[Chains]:
        """Side and number of residues of each chain, for each unit."""
        pairs = zip(self.units, self.sides, strict=True)
        return [tuple(zip(sides, map(len, unit), strict=True)) for unit, sides in pairs]

    @property
    def residues(self) -> int:
        """Number of residues of all units."""
        return sum(unit_length(unit) for unit in self.units)


def unit_length(unit: Unit) -> int:
    """Return the number of residues of a unit."""
    return sum(map(len, unit))


def split_into_units(
    item: Complex, encoding_unit: EncodingUnit, *, both_orders: bool = False
) -> EncodedComplex:
    """Divide a complex into its chains or sides, or keep it as one unit (in both orders on request)."""
    if encoding_unit == "complex":
        ligand, receptor = (LIGAND,) * len(item.ligand), (RECEPTOR,) * len(item.receptor)
        if both_orders:
            orders = (item.chains, item.receptor + item.ligand)
            return EncodedComplex(orders, (BOTH, BOTH), (ligand + receptor, receptor + ligand))
        return EncodedComplex((item.chains,), (BOTH,), (ligand + receptor,))
    if encoding_unit == "side":
        return EncodedComplex.of_sides((item.ligand, item.receptor), (LIGAND, RECEPTOR))
    units = tuple((chain,) for chain in item.chains)
    roles = (LIGAND,) * len(item.ligand) + (RECEPTOR,) * len(item.receptor)
    return EncodedComplex.of_sides(units, roles)


def encode_complexes(
    complexes: Sequence[Complex],
    encoding_unit: EncodingUnit,
    max_residues: int,
    *,
    truncate: bool = False,
    both_orders: bool = False,
) -> tuple[list[EncodedComplex], list[bool]]:
    """Divide complexes into units that a backbone can take.

    Parameters
    ----------
    complexes
        Complexes to encode.
    encoding_unit
        Unit that the head declares.
    both_orders
        Whether complexes are encoded in both orders of their sides, as the head declares.
    max_residues
        The backbone's limit for one unit, in which each chain after the first counts as one more residue.
    truncate
        Shorten each chain of a unit over the limit in proportion to its length, from its end.

    Returns
    -------
    encoded
        One `EncodedComplex` per complex.
    truncated
        Whether each of them was shortened.

    Raises
    ------
    InputError
        If a unit is over the limit and `truncate` is off, or the limit is too small for its chains.
    """
    encoded, truncated = [], []
    for item in complexes:
        cut = split_into_units(item, encoding_unit, both_orders=both_orders)
        longest = max(cut.units, key=_places)
        over = _places(longest) > max_residues
        if over:
            if not truncate:
                chains = f" in {len(longest)} chains" if len(longest) > 1 else ""
                raise InputError(
                    f"complex {item.id!r} has a {encoding_unit} of {unit_length(longest)} residues{chains}, "
                    f"but the backbone takes {max_residues} at once (each chain after the first counts as "
                    "one more). Give the domains that bind alone, or choose a backbone that takes more; ppi "
                    "predict, screen, evaluate and embed shorten chains in proportion with --truncate"
                )
            units = tuple(_shorten(unit, max_residues, item.id) for unit in cut.units)
            cut = replace(cut, units=units)
        encoded.append(cut)
        truncated.append(over)
    return encoded, truncated


def warn_truncated(complexes: Sequence[Complex], truncated: Sequence[bool]) -> None:
    """Warn about complexes that were shortened, if there are any."""
    names = [item.id for item, cut in zip(complexes, truncated, strict=True) if cut]
    if names:
        shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        warnings.warn(
            f"{counted(len(names), 'complex')} {'was' if len(names) == 1 else 'were'} shortened: {shown}",
            PpiWarning,
            stacklevel=3,
        )


def _places(unit: Unit) -> int:
    return unit_length(unit) + len(unit) - 1


def _shorten(unit: Unit, max_residues: int, name: str) -> Unit:
    length = unit_length(unit)
    limit = max_residues - (len(unit) - 1)
    if length <= limit:
        return unit
    if len(unit) > limit:
        raise InputError(f"complex {name!r}: {len(unit)} chains cannot be shortened to {limit} residues")
    kept = [max(1, len(chain) * limit // length) for chain in unit]
    while sum(kept) > limit:
        kept[kept.index(max(kept))] -= 1
    return tuple(chain[:keep] for chain, keep in zip(unit, kept, strict=True))
