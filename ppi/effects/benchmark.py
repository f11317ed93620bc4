"""Measured effects of mutations on binding, and the complexes in which they were measured."""

from __future__ import annotations

import lzma
import os
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
from Bio.Data.PDBData import protein_letters_3to1

from ppi.complexes import UNKNOWN, Complex
from ppi.effects.interfaces import Interface
from ppi.effects.mutations import SIDES, Mutation
from ppi.errors import InputError

#: Source of the interfaces whose structures are those of the benchmark.
BENCHMARK_SOURCE = "skempi"
_MUTATION = re.compile(r"(?P<wild>[A-Z])(?P<chain>[A-Za-z0-9])(?P<position>[0-9]+)(?P<mutant>[A-Z])")
_COLUMNS = ("structure", "mutations", "ddg_kcal_mol", "fold_by_complex")


@dataclass(frozen=True)
class MeasuredEffects:
    """Variants with a measured effect.

    Attributes
    ----------
    complexes
        Wild type by structure.
    structures
        Structure of each variant.
    mutations
        Mutations of each variant.
    ddg
        ``(N,)`` measured ddG in kcal/mol.
    table
        The rows of the file.
    """

    complexes: dict[str, Complex]
    structures: list[str]
    mutations: list[tuple[Mutation, ...]]
    ddg: np.ndarray
    table: pd.DataFrame


def read_effects(
    path: str | os.PathLike[str], interfaces: Sequence[Interface], structures: str | os.PathLike[str]
) -> MeasuredEffects:
    """Read a benchmark of mutation effects.

    Parameters
    ----------
    path
        CSV file: ``structure`` (PDB_side_side, each side the names of its chains), ``mutations`` (wild type,
        chain, position along the residues of the structure, mutant; joined by ``,``), ``ddg_kcal_mol`` and
        ``fold_by_complex``.
    interfaces
        Those of source ``skempi`` give the residues of the chains.
    structures
        Archive of PDB files, for structures that are not among the interfaces.

    Raises
    ------
    InputError
        If a file cannot be read, a structure is in neither, or a mutation has another form or position.

    Notes
    -----
    A few structures were solved for a variant of what was measured; the measured wild type is put at the
    mutated positions. Where a chain holds the models of an NMR structure one after another, positions count
    through all of them, and are taken from the first.
    """
    try:
        table = pd.read_csv(path)
        missing = [name for name in _COLUMNS if name not in table.columns]
    except (OSError, ValueError) as error:
        raise InputError(f"{Path(path).name}: not a table of mutation effects: {error}") from error
    if missing:
        raise InputError(f"{Path(path).name}: the columns {', '.join(missing)} are missing")
    chains = _chains_of(sorted(set(table["structure"])), interfaces, structures)
    read = [
        _read_variant(name, text, chains[name])
        for name, text in zip(table["structure"], table["mutations"], strict=True)
    ]
    for name, variant in zip(table["structure"], read, strict=True):
        for mutation in variant:
            _put(chains[name], mutation)
    complexes = {
        name: Complex(name, tuple(sides[0].values()), tuple(sides[1].values()))
        for name, sides in chains.items()
    }
    return MeasuredEffects(complexes, list(table["structure"]), read, table["ddg_kcal_mol"].to_numpy(), table)


_Sides = tuple[dict[str, str], dict[str, str]]


def _chains_of(
    names: Iterable[str], interfaces: Sequence[Interface], archive: str | os.PathLike[str]
) -> dict[str, _Sides]:
    """Return the residues by chain name of both sides of each structure."""
    known = {item.id.partition(":")[2]: item for item in interfaces if item.source == BENCHMARK_SOURCE}
    found: dict[str, _Sides] = {}
    for name in names:
        if name in known:
            first, second = (
                dict(zip(letters, chains, strict=True))
                for letters, chains in zip(known[name].chain_names, known[name].sides, strict=True)
            )
            found[name] = first, second
    rest = [name for name in names if name not in found]
    read = _read_archive(archive, {name.partition("_")[0] for name in rest}) if rest else {}
    for name in rest:
        entry, *sides = name.split("_")
        if entry not in read or any(letter not in read[entry] for side in sides for letter in side):
            raise InputError(
                f"structure {name}: its chains are neither among the interfaces nor in the archive"
            )
        first, second = ({letter: read[entry][letter] for letter in side} for side in sides)
        found[name] = first, second
    return found


def _read_archive(path: str | os.PathLike[str], entries: set[str]) -> dict[str, dict[str, str]]:
    try:
        with tarfile.open(path) as archive:
            return {
                Path(member.name).stem: dict(_read_chains(archive.extractfile(member)))
                for member in archive
                if Path(member.name).stem in entries and member.isfile()
            }
    except (OSError, tarfile.TarError, lzma.LZMAError) as error:
        raise InputError(f"{Path(path).name}: not an archive of structures: {error}") from error


def _read_chains(file: IO[bytes] | None) -> Iterator[tuple[str, str]]:
    """Yield name and residues of each chain of the ATOM records of a PDB file."""
    residues: dict[tuple[str, str], str] = {}
    for raw in () if file is None else file:
        line = raw.decode("ascii")
        if line.startswith("ATOM"):
            residues.setdefault((line[21], line[22:27]), line[17:20])
    for chain in dict.fromkeys(chain for chain, _ in residues):
        letters = [
            protein_letters_3to1.get(name, UNKNOWN) for (owner, _), name in residues.items() if owner == chain
        ]
        yield chain, "".join(letters)


def _read_variant(structure: str, text: str, sides: _Sides) -> tuple[Mutation, ...]:
    # A few rows name a mutation twice.
    return tuple(dict.fromkeys(_read_mutation(structure, part, sides) for part in text.split(",")))


def _read_mutation(structure: str, text: str, sides: _Sides) -> Mutation:
    found = _MUTATION.fullmatch(text)
    if found is None:
        raise InputError(
            f"structure {structure}: {text!r} is no mutation; write wild type, chain, position, mutant"
        )
    for side, chains in zip(SIDES, (sides[0], sides[1]), strict=True):
        if found["chain"] in chains:
            number = list(chains).index(found["chain"]) + 1
            position = (int(found["position"]) - 1) % len(chains[found["chain"]]) + 1
            return Mutation(side, number, position, found["wild"], found["mutant"])
    raise InputError(f"structure {structure}: {text!r} names a chain that neither side has")


def _put(sides: _Sides, mutation: Mutation) -> None:
    chains = sides[SIDES.index(mutation.side)]
    name = list(chains)[mutation.chain - 1]
    place = mutation.position - 1
    chains[name] = chains[name][:place] + mutation.wild + chains[name][place + 1 :]
