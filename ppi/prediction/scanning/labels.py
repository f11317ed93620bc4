"""What the chains of a complex are called, and which numbers a structure gives to their residues."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from data_curation.structures.chains import StructureChain
from ppi.complexes import UNKNOWN, Complex
from ppi.effects.mutations import SIDES, Side
from ppi.errors import InputError
from ppi.io.columns import CHAIN_NAME_COLUMNS
from ppi.io.tables import ComplexTable
from ppi.prediction.placement import chain_aligner

#: A chain of a structure is one of the complex if so many residues are the same, as a part of the known
#: residues of the shorter of the two.
MIN_SAME = 0.9


@dataclass(frozen=True)
class ChainLabels:
    """A chain of a complex with what else it is called.

    Attributes
    ----------
    side, chain
        Where it is in the complex; chains are counted from 1.
    residues
        Its residues.
    name
        Its name in a FASTA record, a table or a structure; None where it has none.
    numbers
        Number and insertion code that the authors of a structure gave to each residue, ``100a`` for one;
        None for a residue that was not observed. Empty without a structure.
    """

    side: Side
    chain: int
    residues: str
    name: str | None = None
    numbers: tuple[str | None, ...] = ()

    def number(self, position: int) -> str | None:
        """Return the author's number of a position, which is counted from 1."""
        return self.numbers[position - 1] if self.numbers else None

    def position(self, number: str) -> int | None:
        """Return the position of an author's number, with its insertion code in any case; None if absent."""
        for form in (number, number.lower(), number.upper()):
            if form in self.numbers:
                return self.numbers.index(form) + 1
        return None

    def __str__(self) -> str:
        return f"{self.side} chain {self.chain}"


def residue_name(row: Mapping[Hashable, Any], residue: str) -> str:
    """Return ``ligand:1:H102``, as `ppi scan` reads it, and known other names: ``ligand:1:H102 (H 100a)``.

    Parameters
    ----------
    row
        Values of ``side, chain, position, chain_name`` and ``author_number``; the last two may be missing.
    residue
        Its letter.
    """
    others = [row[name] for name in ("chain_name", "author_number") if isinstance(row[name], str)]
    known = f" ({' '.join(others)})" if others else ""
    return f"{row['side']}:{row['chain']}:{residue}{row['position']}{known}"


def names_of(table: ComplexTable, number: int) -> dict[Side, tuple[str, ...]]:
    """Return the names of the chains of one complex of a table; none for a side without.

    They are in `ppi.io.columns.CHAIN_NAME_COLUMNS`, if the table has these columns.
    """
    found: dict[Side, tuple[str, ...]] = {}
    for side in SIDES:
        column = CHAIN_NAME_COLUMNS[side]
        cell = table.columns[column].iloc[number] if column in table.columns else ""
        if pd.notna(cell) and cell != "":
            found[side] = tuple(name.strip() for name in str(cell).split(","))
    return found


def named_table(item: Complex, names: Mapping[Side, Sequence[str]]) -> ComplexTable:
    """Return a table of one complex whose chains have names; see `names_of`."""
    columns = {CHAIN_NAME_COLUMNS[side]: [",".join(given)] for side, given in names.items()}
    return ComplexTable([item], pd.DataFrame(columns, index=[0]))


def label_table(
    table: ComplexTable, structure: Mapping[str, StructureChain] | None
) -> list[tuple[ChainLabels, ...]]:
    """Name the chains of the complexes of a table by `names_of`; see `label_chains`."""
    return [
        label_chains(item, names_of(table, number), structure) for number, item in enumerate(table.complexes)
    ]


def label_chains(
    item: Complex,
    names: Mapping[Side, Sequence[str]],
    structure: Mapping[str, StructureChain] | None = None,
) -> tuple[ChainLabels, ...]:
    """Name the chains of a complex.

    Parameters
    ----------
    item
        The complex.
    names
        Names of the chains of each side; none for a side whose chains have no names.
    structure
        Chains of a structure, which give names and numbers.

    Raises
    ------
    InputError
        If there are not as many names as chains, or a chain is not in the structure.
    """
    labels = tuple(_named(item, names))
    return labels if structure is None else _placed_on_structure(item, labels, structure)


def _named(item: Complex, names: Mapping[Side, Sequence[str]]) -> Iterator[ChainLabels]:
    for side in SIDES:
        chains: tuple[str, ...] = getattr(item, side)
        given = names.get(side, ())
        if given and len(given) != len(chains):
            raise InputError(
                f"complex {item.id!r}: the {side} has {len(chains)} chain(s), but {len(given)} name(s) of "
                f"chains: {', '.join(given)}"
            )
        for number, residues in enumerate(chains, start=1):
            yield ChainLabels(side, number, residues, given[number - 1] if given else None)


def _placed_on_structure(
    item: Complex, labels: Sequence[ChainLabels], structure: Mapping[str, StructureChain]
) -> tuple[ChainLabels, ...]:
    """Lay each chain onto the structure's chain of its name, else onto the most alike that is free.

    Long chains come before short ones, which resemble many chains by chance.
    """
    free, placed = dict(structure), dict[ChainLabels, ChainLabels]()
    for label in sorted(labels, key=lambda each: (each.name not in structure, -len(each.residues))):
        order = sorted(free, key=lambda name: (name != label.name, -_sameness(label.residues, free[name])))
        chosen = next((name for name in order if _sameness(label.residues, free[name]) >= MIN_SAME), None)
        if chosen is None:
            found = ", ".join(f"{name} ({_sameness(label.residues, free[name]):.0%})" for name in free)
            raise InputError(
                f"complex {item.id!r}: {label} is not in the structure; chains that are left there, and the "
                f"part of the residues that is the same: {found or 'none'}. At least {MIN_SAME:.0%} must be. "
                "Give the structure of this complex, or none"
            )
        numbers = _numbers(label.residues, free.pop(chosen))
        placed[label] = replace(label, name=chosen, numbers=numbers)
    return tuple(placed[label] for label in labels)


def _sameness(residues: str, chain: StructureChain) -> float:
    """Return the part of the known, observed residues of the shorter chain that are the same."""
    pairs = _aligned(residues, chain.sequence)
    observed = set(chain.positions.values())
    same = sum(residues[own] == chain.sequence[there] != UNKNOWN for own, there in pairs if there in observed)
    known = len(residues) - residues.count(UNKNOWN)
    return same / max(1, min(known, chain.observed - chain.unknown))


def _numbers(residues: str, chain: StructureChain) -> tuple[str | None, ...]:
    numbers: dict[int, str] = {}
    for (number, insertion), there in chain.positions.items():
        numbers.setdefault(there, f"{number}{insertion}")  # of several models, the first counts
    found: list[str | None] = [None] * len(residues)
    for own, there in _aligned(residues, chain.sequence):
        found[own] = numbers.get(there)
    return tuple(found)


def _aligned(residues: str, sequence: str) -> list[tuple[int, int]]:
    """Return pairs of indices of residues that lie above each other."""
    if residues == sequence:
        return [(place, place) for place in range(len(residues))]
    alignment = chain_aligner().align(residues, sequence)[0]
    return [
        (start + step, there + step)
        for (start, end), (there, _) in zip(*alignment.aligned, strict=True)
        for step in range(end - start)
    ]
