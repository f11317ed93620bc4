"""Residues of a structure: their atoms, their one-letter codes and the bonds between them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from Bio.Data.PDBData import protein_letters_3to1, protein_letters_3to1_extended

from data_curation.structures.files import Atom
from data_curation.structures.polymers import UNKNOWN

#: Longest C-N distance, in angstrom, that counts as a peptide bond (a good one has 1.33).
MAX_PEPTIDE_BOND = 2.5
#: Longest CA-CA distance, in angstrom, of bonded residues that lack the C or the N (good: 3.8).
MAX_CA_DISTANCE = 4.6
#: Longest distance, in angstrom, of the nearest backbone atoms of bonded residues that lack more than that.
MAX_NEAREST = 5.5
#: CA-CA distance, in angstrom, of neighbours; it bounds from below the number of residues that span a break.
CA_SPACING = 3.8

#: The 20 standard residues, one-letter code by component name.
STANDARD_RESIDUES: dict[str, str] = {name.upper(): letter for name, letter in protein_letters_3to1.items()}

#: Mirror images of the standard residues (glycine has none), likewise.
D_RESIDUES = {
    "DAL": "A",
    "DAR": "R",
    "DSG": "N",
    "DAS": "D",
    "DCY": "C",
    "DGN": "Q",
    "DGL": "E",
    "DHI": "H",
    "DIL": "I",
    "DLE": "L",
    "DLY": "K",
    "MED": "M",
    "DPN": "F",
    "DPR": "P",
    "DSN": "S",
    "DTH": "T",
    "DTR": "W",
    "DTY": "Y",
    "DVA": "V",
}

#: Groups that close the ends of a chain and are written like residues.
CAPS = frozenset({"ACE", "FOR", "NH2", "NME"})


class Residue(NamedTuple):
    """One observed residue.

    `in_polymer` is False for a group that belongs to the chain only if a peptide bond joins it;
    `defined_twice` is True if an atom occurs twice under one alternate-location label; `xyz` contains the
    positions of each backbone atom, in angstrom, at all its alternate locations.
    """

    number: int
    insertion: str
    name: str
    letter: str
    in_polymer: bool
    defined_twice: bool
    xyz: dict[str, list[tuple[float, float, float]]]


def residue_letter(name: str, parents: Mapping[str, str]) -> str:
    """Return the one-letter code of a residue by its component name, ``X`` if it has none.

    A modified residue has the letter of its parent from the file (`parents`), else from the published
    component dictionary. A D-residue has the letter of its mirror image.
    """
    for letters, key in (
        (STANDARD_RESIDUES, name),
        (D_RESIDUES, name),
        (STANDARD_RESIDUES, parents.get(name, "")),
        (protein_letters_3to1_extended, name),
    ):
        if key in letters:
            return letters[key]
    return UNKNOWN


def residue_of(atoms: Sequence[Atom], parents: Mapping[str, str]) -> Residue | None:
    """Make a residue of the atoms that share a number; return None if they are not an amino acid."""
    xyz: dict[str, list[tuple[float, float, float]]] = {}
    for atom in atoms:
        xyz.setdefault(atom.name, []).append(atom.xyz)
    name = _main_name(atoms)
    letter = residue_letter(name, parents)
    in_polymer = any(atom.in_polymer for atom in atoms)
    # One backbone atom is enough for a known residue; for others it is not, because calcium is also called
    # CA.
    if name in CAPS or not (len(xyz) == 3 or (in_polymer and letter != UNKNOWN)):
        return None
    twice = len({(atom.name, atom.alternate) for atom in atoms}) < len(atoms)
    return Residue(atoms[0].number, atoms[0].insertion, name, letter, in_polymer, twice, xyz)


def bonded(left: Residue, right: Residue) -> bool:
    """Return whether a peptide bond joins two residues: by the C-N distance, or by the available atoms."""
    if "C" in left.xyz and "N" in right.xyz:
        return _distance(left, right, "C", "N") <= MAX_PEPTIDE_BOND
    if "CA" in left.xyz and "CA" in right.xyz:
        return _distance(left, right, "CA", "CA") <= MAX_CA_DISTANCE
    return _nearest(left, right) <= MAX_NEAREST


def missing_between(left: Residue, right: Residue) -> int:
    """Estimate the residues missing in a break, at least 1: by number if that jumps, else by distance."""
    jump = right.number - left.number
    if jump > 1:
        return jump - 1
    has_both = "CA" in left.xyz and "CA" in right.xyz
    distance = _distance(left, right, "CA", "CA") if has_both else _nearest(left, right)
    return max(1, math.ceil(distance / CA_SPACING) - 1)


def _main_name(atoms: Sequence[Atom]) -> str:
    """Return the residue name with the highest mean occupancy; among equals, the first alternate label."""
    by_name: dict[str, list[Atom]] = {}
    for atom in atoms:
        by_name.setdefault(atom.residue, []).append(atom)

    def rank(name: str) -> tuple[float, str]:
        forms = by_name[name]
        return -sum(form.occupancy for form in forms) / len(forms), min(form.alternate for form in forms)

    return min(by_name, key=rank)


def _nearest(left: Residue, right: Residue) -> float:
    return min(_distance(left, right, a, b) for a in left.xyz for b in right.xyz)


def _distance(left: Residue, right: Residue, left_atom: str, right_atom: str) -> float:
    # The distance is the shortest over all alternate locations: a bond between any two joins the residues.
    return min(math.dist(a, b) for a in left.xyz[left_atom] for b in right.xyz[right_atom])
