"""Sequences of the protein chains of structure files, and where those files are.

A residue counts if the chain's own polymer holds it: free amino acids, caps, sugars, ions and water do not.
A chain is broken where the peptide bond is absent; residue numbers never break it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from data_curation.errors import StructureError
from data_curation.polymers import UNKNOWN, join_fragments
from data_curation.processors import available_processors
from data_curation.residues import (
    D_RESIDUES,
    STANDARD_RESIDUES,
    Residue,
    bonded,
    missing_between,
    residue_letter,
    residue_of,
)
from data_curation.structure_files import Atom, read_contents

_SUFFIXES = (".pdb", ".ent.pdb", ".ent", ".cif")
# Starting a process costs about as much as reading this many files.
_FEW_FILES = 16
# Models of one chain have their centres within this distance, in angstrom (0.8 at most in 1KBH).
_ONE_PLACE = 3.0


@dataclass(frozen=True)
class StructureChain:
    """One protein chain of the first model of a structure.

    Attributes
    ----------
    name
        The author's chain name.
    sequence
        One-letter code; breaks are filled from the deposited sequence, or with ``X`` where that is unknown.
    positions
        0-based index in `sequence` by residue number and insertion code (``""`` if none), for the
        observed residues. Where one chain holds several models, the numbers of all of them.
    observed
        Number of observed residues.
    missing_recovered, missing_unresolved
        Residues of breaks filled from the deposited sequence, and ``X`` put into breaks.
    gaps, gaps_recovered
        Breaks that hold a missing residue, and those of them filled from the deposited sequence.
    modified
        Observed modified residues, read as their parent.
    d_residues
        Observed D-residues, read as the letter of the L-residue.
    unknown
        Observed residues that stay ``X``.
    """

    name: str
    sequence: str
    positions: Mapping[tuple[int, str], int]
    observed: int
    missing_recovered: int
    missing_unresolved: int
    gaps: int
    gaps_recovered: int
    modified: int
    d_residues: int
    unknown: int


def read_structure(path: str | os.PathLike[str]) -> dict[str, StructureChain]:
    """Read the protein chains of a PDB or mmCIF file, plain or ``.gz``.

    Returns
    -------
    dict
        The chains by the author's name, in file order; only those with at least one residue.

    Raises
    ------
    StructureError
        If the file is absent, empty or damaged, numbers two residues alike, or has no protein chain.
    """
    source = Path(path)
    contents = read_contents(source)
    chains = {}
    for name, sites in _sites(contents.atoms).items():
        residues = (residue_of(atoms, contents.parents) for atoms in sites)
        fragments = _fragments(residue for residue in residues if residue is not None)
        if fragments:
            _check_distinct(source, name, fragments)
            names = contents.polymers.get(name, ())
            polymer = "".join(residue_letter(item, contents.parents) for item in names)
            chains[name] = _chain(name, _models(fragments), polymer or None)
    if not chains:
        raise StructureError(f"{source}: no protein chain was found")
    return chains


def read_structures(
    paths: Sequence[Path], processes: int | None = None
) -> dict[Path, dict[str, StructureChain] | StructureError]:
    """Read many files, in several processes if there are many.

    Parameters
    ----------
    paths
        Files; each is read once.
    processes
        Most processes to use; by default one for each processor.

    Returns
    -------
    dict
        By path, in the order of `paths`: the chains, or the error of a file that cannot be read.
    """
    unique = list(dict.fromkeys(paths))
    workers = min(processes or available_processors(), len(unique) // _FEW_FILES)
    if workers <= 1:
        return {path: _read_or_error(path) for path in unique}
    # Spawned, because a forked process may hang in what other threads of this one had locked.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return dict(zip(unique, pool.map(_read_or_error, unique, chunksize=4), strict=True))


def find_structure(folder: str | os.PathLike[str], source: str, pdb: str) -> Path | None:
    """Find the file of an entry in a folder laid out like the one published with PPB-Affinity.

    Looked through, in this order: ``folder/source``, ``folder/PDB/source``; in each the suffixes ``.pdb``,
    ``.ent.pdb``, ``.ent``, ``.cif``, then the same with ``.gz``; for each the identifier in upper case,
    then in lower case.
    """
    suffixes = (*_SUFFIXES, *(f"{suffix}.gz" for suffix in _SUFFIXES))
    for place in (Path(folder, source), Path(folder, "PDB", source)):
        for suffix in suffixes:
            for stem in (pdb.upper(), pdb.lower()):
                if (found := place / f"{stem}{suffix}").is_file():
                    return found
    return None


def _read_or_error(path: Path) -> dict[str, StructureChain] | StructureError:
    try:
        return read_structure(path)
    except StructureError as error:
        return error


def _sites(atoms: Iterable[Atom]) -> dict[str, list[list[Atom]]]:
    """Group atoms by chain and residue number, in file order.

    Ligands can have the number of a residue, so a group outside the polymer stands alone, unless it is
    one of the residue's alternate forms.
    """
    chains: dict[str, dict[tuple[int, str, str], list[Atom]]] = {}
    for atom in atoms:
        group = "" if atom.in_polymer or atom.alternate else atom.residue
        sites = chains.setdefault(atom.chain, {})
        sites.setdefault((atom.number, atom.insertion, group), []).append(atom)
    return {chain: list(sites.values()) for chain, sites in chains.items()}


def _fragments(residues: Iterable[Residue]) -> list[list[Residue]]:
    """Split residues where the peptide bond is absent; leave out what is bonded to no polymer residue."""
    runs: list[list[Residue]] = []
    for residue in residues:
        if runs and bonded(runs[-1][-1], residue):
            runs[-1].append(residue)
        else:
            runs.append([residue])
    return [run for run in runs if any(residue.in_polymer for residue in run)]


def _models(fragments: list[list[Residue]]) -> list[list[list[Residue]]]:
    """Take apart the models that a cleaned file holds as one chain, numbered throughout.

    They are equal fragments in one place; equal domains of one chain cannot share their centre.
    """
    if len({"".join(residue.letter for residue in fragment) for fragment in fragments}) > 1:
        return [fragments]
    centres = [np.mean([next(iter(item.xyz.values()))[0] for item in part], axis=0) for part in fragments]
    if max(math.dist(centre, centres[0]) for centre in centres) > _ONE_PLACE:
        return [fragments]
    return [[fragment] for fragment in fragments]


def _check_distinct(source: Path, chain: str, fragments: Iterable[Iterable[Residue]]) -> None:
    seen: set[tuple[int, str]] = set()
    for residue in _flat(fragments):
        place = (residue.number, residue.insertion)
        if residue.defined_twice or place in seen:
            where = f"residue {residue.number}{residue.insertion} of chain {chain}"
            raise StructureError(f"{source}: {where} is there twice, and not as alternate locations")
        seen.add(place)


def _chain(name: str, models: list[list[list[Residue]]], polymer: str | None) -> StructureChain:
    fragments = models[0]
    letters = ["".join(residue.letter for residue in fragment) for fragment in fragments]
    missing = [missing_between(a[-1], b[0]) for a, b in pairwise(fragments)]
    joined = join_fragments(letters, missing, polymer)
    positions = {
        (residue.number, residue.insertion): offset + index
        for model in models
        for offset, fragment in zip(joined.offsets, model, strict=True)
        for index, residue in enumerate(fragment)
    }
    residues = list(_flat(fragments))
    d_residues = sum(1 for residue in residues if residue.name in D_RESIDUES)
    plain = sum(1 for residue in residues if residue.name in STANDARD_RESIDUES or residue.letter == UNKNOWN)
    return StructureChain(
        name,
        joined.sequence,
        positions,
        observed=len(residues),
        missing_recovered=joined.missing_recovered,
        missing_unresolved=joined.missing_unresolved,
        gaps=joined.gaps,
        gaps_recovered=joined.gaps_recovered,
        modified=len(residues) - plain - d_residues,
        d_residues=d_residues,
        unknown=joined.sequence.count(UNKNOWN) - joined.missing_unresolved,
    )


def _flat(fragments: Iterable[Iterable[Residue]]) -> Iterator[Residue]:
    return (residue for fragment in fragments for residue in fragment)
