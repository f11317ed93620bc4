"""Where residues lie in a known structure: what `ppi.effects.location` predicts, measured instead."""

from __future__ import annotations

import gzip
import io
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_curation.errors import StructureError
from ppi.effects.interfaces import location_rows
from ppi.effects.location import LOCATION_NAMES

#: Radii of the heavy atoms of proteins, of others, and of the probe, in angstrom.
_RADII, _OTHER_RADIUS, _PROBE = {"C": 1.70, "N": 1.55, "O": 1.52, "S": 1.80}, 1.70, 1.4
#: Points on the sphere around an atom; angstrom within which CB atoms are neighbours; largest distance.
_POINTS, _NEIGHBOURHOOD, _FARTHEST = 200, 10.0, 20.0
#: A residue with a smaller part of its surface exposed is buried; a loss of more square angstrom counts.
_BURIED, _LOST = 0.25, 0.01

#: Name of each chain of a side, and the number with insertion code of each of its residues; None where a
#: residue was not observed.
NumberedChains = Sequence[tuple[str, Sequence[str | None]]]


@dataclass(frozen=True)
class _Atoms:
    """Heavy atoms of one side.

    Attributes
    ----------
    places
        ``(N, 3)`` in angstrom.
    radii
        ``(N,)`` with the probe's.
    residue
        ``(N,)`` index of the residue in its side.
    names
        Three-letter code of each residue that was observed.
    beta
        ``(N,)`` which atoms stand for their residue: CB, or CA where there is none.
    """

    places: np.ndarray
    radii: np.ndarray
    residue: np.ndarray
    names: dict[int, str]
    beta: np.ndarray


def structure_locations(
    path: str | os.PathLike[str], ligand: NumberedChains, receptor: NumberedChains
) -> tuple[np.ndarray, np.ndarray]:
    """Return where the residues of both sides lie in a structure.

    Parameters
    ----------
    path
        PDB or mmCIF file, plain or gzipped; its first model counts.
    ligand, receptor
        Chains of both sides.

    Returns
    -------
    tuple of ndarray
        ``(L, 10)`` of each side, by `ppi.effects.location.LOCATION_NAMES`; NaN for residues that were not
        observed. The classes are those of Levy (J. Mol. Biol. 2010), relative areas those of Miller et al.
        (J. Mol. Biol. 1987).

    Raises
    ------
    StructureError
        If the file cannot be read, or the structure lacks a chain or all residues of a side.
    """
    model = _first_model(Path(path))
    first, second = (_atoms(model, side, path) for side in (ligand, receptor))
    found = []
    for own, other, chains in ((first, second, ligand), (second, first, receptor)):
        length = sum(len(numbers) for _, numbers in chains)
        rows = np.full((length, len(LOCATION_NAMES)), np.nan, dtype=np.float32)
        rows[sorted(own.names)] = _locations(own, other)
        found.append(rows)
    return found[0], found[1]


def _first_model(path: Path) -> Any:
    from Bio.PDB.MMCIFParser import MMCIFParser
    from Bio.PDB.PDBExceptions import PDBConstructionException
    from Bio.PDB.PDBParser import PDBParser

    plain = path.name.lower().removesuffix(".gz")
    parser = MMCIFParser(QUIET=True) if plain.endswith(".cif") else PDBParser(QUIET=True)
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix.lower() == ".gz" else data).decode("latin-1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return next(iter(parser.get_structure("structure", io.StringIO(text))))
    except (OSError, EOFError, ValueError, KeyError, StopIteration, PDBConstructionException) as error:
        raise StructureError(f"{path}: no atoms can be read from it: {error}") from error


def _atoms(model: Any, chains: NumberedChains, path: str | os.PathLike[str]) -> _Atoms:
    places, radii, residue, beta = [], [], [], []
    names: dict[int, str] = {}
    index = -1
    for chain, numbers in chains:
        if chain not in model:
            raise StructureError(f"{path}: the structure has no chain {chain}")
        known = {f"{item.id[1]}{item.id[2].strip()}": item for item in model[chain]}
        for number in numbers:
            index += 1
            if number is None or number not in known:
                continue
            heavy = [atom for atom in known[number] if atom.element not in ("H", "D")]
            if not heavy:
                continue
            names[index] = known[number].get_resname()
            stands = "CB" if "CB" in known[number] else "CA"
            for atom in heavy:
                places.append(atom.coord)
                radii.append(_RADII.get(atom.element, _OTHER_RADIUS) + _PROBE)
                residue.append(index)
                beta.append(atom.get_name() == stands)
    if not names:
        raise StructureError(f"{path}: the structure has no residue of the chain(s) {chains[0][0]}")
    return _Atoms(np.array(places), np.array(radii), np.array(residue), names, np.array(beta))


def _locations(own: _Atoms, other: _Atoms) -> np.ndarray:
    """Return ``(N, 10)`` of the observed residues of a side, in their order."""
    from Bio.PDB.DSSP import residue_max_acc
    from scipy.spatial import cKDTree

    observed = sorted(own.names)
    nearest, _ = cKDTree(other.places).query(own.places, distance_upper_bound=_FARTHEST)
    distance = _by_residue(own, np.minimum(nearest, _FARTHEST), np.minimum, _FARTHEST)[observed]
    alone = _by_residue(own, _areas(own), np.add, 0)[observed]
    bound = _by_residue(own, _areas(own, other), np.add, 0)[observed]
    largest = residue_max_acc["Miller"]
    scale = np.array([largest.get(own.names[index], np.mean(list(largest.values()))) for index in observed])
    beta, others = own.places[own.beta], other.places[other.beta]
    contacts = np.zeros(max(observed) + 1)
    packing = np.zeros(max(observed) + 1)
    at = own.residue[own.beta]
    tree = cKDTree(beta)
    packing[at] = [len(near) - 1 for near in tree.query_ball_point(beta, _NEIGHBOURHOOD)]
    contacts[at] = [len(near) for near in cKDTree(others).query_ball_point(beta, _NEIGHBOURHOOD)]
    return location_rows(
        distance, alone / scale, _classes(alone, bound, scale), contacts[observed], packing[observed]
    )


def _by_residue(own: _Atoms, values: np.ndarray, combine: np.ufunc, start: float) -> np.ndarray:
    """Combine the values of the atoms of each residue."""
    found = np.full(own.residue.max() + 1, float(start))
    combine.at(found, own.residue, values)
    return found


def _classes(alone: np.ndarray, bound: np.ndarray, scale: np.ndarray) -> str:
    """Return a letter a residue: core, rim, support, surface or interior (C, R, P, S, I)."""
    touched, buried, hidden = alone - bound > _LOST, alone / scale < _BURIED, bound / scale < _BURIED
    letters = np.select([~touched & buried, ~touched, buried, hidden], ["I", "S", "P", "C"], default="R")
    return "".join(letters.tolist())


def _areas(own: _Atoms, other: _Atoms | None = None) -> np.ndarray:
    """Return the ``(N,)`` accessible areas of atoms in square angstrom (Shrake & Rupley 1973).

    Parameters
    ----------
    own
        Atoms whose areas are wanted; they cover each other.
    other
        Atoms that cover them, too.
    """
    from scipy.spatial import cKDTree

    sphere, parts = _sphere(), [own] if other is None else [own, other]
    places = np.concatenate([part.places for part in parts])
    radii = np.concatenate([part.radii for part in parts])
    near = cKDTree(places).query_ball_point(own.places, own.radii + radii.max())
    areas = np.empty(len(own.places))
    for index, neighbours in enumerate(near):
        others = np.array([number for number in neighbours if number != index], dtype=int)
        towards, radius = places[others] - own.places[index], own.radii[index]
        # A point of the sphere is covered if it is nearer to another atom than that one's radius.
        reach = ((towards**2).sum(axis=1) + radius**2 - radii[others] ** 2) / (2 * radius)
        free = (sphere @ towards.T <= reach).all(axis=1).mean()
        areas[index] = 4 * np.pi * radius**2 * free
    return areas


def _sphere() -> np.ndarray:
    """Return ``(200, 3)`` points spread evenly over a sphere of radius 1, along a golden spiral."""
    number = np.arange(_POINTS) + 0.5
    height, turn = 1 - 2 * number / _POINTS, np.pi * (1 + 5**0.5) * number
    flat = np.sqrt(1 - height**2)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), height], axis=1)
