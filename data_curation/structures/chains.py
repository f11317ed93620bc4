"""Find structure files and read the sequences of their protein chains.

Only residues of the chain's polymer count; free amino acids, caps, sugars, ions and water do not. A chain is
broken where the peptide bond is absent, regardless of residue numbers.
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
from data_curation.processors import available_processors
from data_curation.structures.files import Atom, read_contents
from data_curation.structures.polymers import UNKNOWN, join_fragments
from data_curation.structures.residues import (
    D_RESIDUES,
    STANDARD_RESIDUES,
    Residue,
    bonded,
    missing_between,
    residue_letter,
    residue_of,
)

_SUFFIXES = (".pdb", ".ent.pdb", ".ent", ".cif")
# Starting a process takes about as long as reading this many files.
_FEW_FILES = 16
# Models of one chain have their centres within this distance, in angstrom (the maximum in 1KBH is 0.8).
_ONE_PLACE = 3.0


@dataclass(frozen=True)
class StructureChain:
    """One protein chain of the first model of a structure.

    Attributes
    ----------
    name
        The author's chain name.
    sequence
        One-letter code; breaks are filled from the deposited sequence, or with ``X`` if that is unknown.
    positions
        0-based index in `sequence` by residue number and insertion code (``""`` if none), for the
        observed residues. If one chain contains several models, the numbers of all of them are included.
    observed
        Number of observed residues.
    missing_recovered, missing_unresolved
        Residues of breaks filled from the deposited sequence, and ``X`` inserted into breaks.
    gaps, gaps_recovered
        Number of breaks with missing residues, and number of those filled from the deposited sequence.
    modified
        Number of observed modified residues, which are read as their parent.
    d_residues
        Number of observed D-residues, which are read as the L-residue.
    unknown
        Number of observed residues that remain ``X``.
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
        Chains by the author's name, in file order; only those with at least one residue.

    Raises
    ------
    StructureError
        If the file is absent, empty or damaged, gives two residues the same number, or has no protein chain.
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
        raise StructureError(f"{source}: there is no protein chain")
    return chains


def read_structures(
    paths: Sequence[Path], processes: int | None = None
) -> dict[Path, dict[str, StructureChain] | StructureError]:
    """Read many files, in several processes if there are many.

    Parameters
    ----------
    paths
        Paths of the files; each is read once.
    processes
        Maximum number of processes; by default one per processor.

    Returns
    -------
    dict
        Chains, or the error of a file that cannot be read, by path in the order of `paths`.
    """
    unique = list(dict.fromkeys(paths))
    workers = min(processes or available_processors(), len(unique) // _FEW_FILES)
    if workers <= 1:
        return {path: _read_or_error(path) for path in unique}
    # Processes are spawned, because a forked one may deadlock on locks that other threads hold.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return dict(zip(unique, pool.map(_read_or_error, unique, chunksize=4), strict=True))


def find_structure(folder: str | os.PathLike[str], source: str, pdb: str) -> Path | None:
    """Find the file of an entry in a folder laid out like the one published with PPB-Affinity.

    The search order is ``folder/source``, ``folder/PDB/source``; in each the suffixes ``.pdb``, ``.ent.pdb``,
    ``.ent``, ``.cif``, then the same with ``.gz``; for each the identifier in upper case, then in lower case.
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

    Ligands can have the number of a residue, so a group outside the polymer is kept separate, unless it is an
    alternate form of the residue.
    """
    chains: dict[str, dict[tuple[int, str, str], list[Atom]]] = {}
    for atom in atoms:
        group = "" if atom.in_polymer or atom.alternate else atom.residue
        sites = chains.setdefault(atom.chain, {})
        sites.setdefault((atom.number, atom.insertion, group), []).append(atom)
    return {chain: list(sites.values()) for chain, sites in chains.items()}


def _fragments(residues: Iterable[Residue]) -> list[list[Residue]]:
    """Split residues where the peptide bond is absent; drop groups that are not bonded to a polymer
    residue.
    """
    runs: list[list[Residue]] = []
    for residue in residues:
        if runs and bonded(runs[-1][-1], residue):
            runs[-1].append(residue)
        else:
            runs.append([residue])
    return [run for run in runs if any(residue.in_polymer for residue in run)]


def _models(fragments: list[list[Residue]]) -> list[list[list[Residue]]]:
    """Separate the models that a cleaned file contains as one consecutively numbered chain.

    Models are equal fragments at the same position; equal domains of one chain cannot share a centre.
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
            raise StructureError(f"{source}: {where} occurs twice, and not as alternate locations")
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
