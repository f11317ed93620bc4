"""Complexes with a known structure: their sequences and, for each residue, where it lies."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ppi.complexes import CHAIN_SEPARATOR
from ppi.effects.location import CLASSES, LOCATION_NAMES
from ppi.errors import InputError

_CLASS_LETTERS = "CRPSI"
_FAR, _NEAR = 8.0, 5.0
_LARGEST_EXPOSURE = 1.2
_SIDES = {"ligand": "lig", "receptor": "rec"}
_LABELS = ("dist", "rasa", "class", "nb_other", "nb_own")
_COLUMNS = (
    *("id", "source", "pdb", "ligand", "receptor", "ligand_chains", "receptor_chains", "group", "also"),
    *(f"{side}_{label}" for side in _SIDES.values() for label in _LABELS),
)


@dataclass(frozen=True)
class Interface:
    """A complex whose structure is known.

    Attributes
    ----------
    id, source
        Name, which begins with the source, and the source.
    entries
        PDB entries that it comes from, copies that were dropped included.
    sides
        Chains of ligand and receptor.
    chain_names
        Names of these chains in the structure.
    group
        Number of its group of near-duplicates.
    locations
        ``(L, 10)`` true location of each side's residues, by `ppi.effects.location.LOCATION_NAMES`.
    """

    id: str
    source: str
    entries: frozenset[str]
    sides: tuple[tuple[str, ...], tuple[str, ...]]
    chain_names: tuple[tuple[str, ...], tuple[str, ...]]
    group: int
    locations: tuple[np.ndarray, np.ndarray]

    @property
    def chains(self) -> tuple[str, ...]:
        """Chains of both sides."""
        return self.sides[0] + self.sides[1]


def read_interfaces(path: str | os.PathLike[str]) -> list[Interface]:
    """Read a table of interfaces.

    Parameters
    ----------
    path
        Parquet file with one row a complex: ``id, source, pdb, ligand, receptor`` (chains joined by ``:``),
        ``ligand_chains, receptor_chains`` (names joined by ``,``), ``group, also``, and for each side, with
        the prefix ``lig_`` or ``rec_``, one entry a residue: ``dist`` (angstrom), ``rasa``, ``class`` (a
        string of C, R, P, S, I), ``nb_other`` and ``nb_own`` (CB atoms within 10 angstrom).

    Raises
    ------
    InputError
        If it cannot be read, lacks a column, or the entries of a side are not as many as its residues.
    """
    try:
        table = pd.read_parquet(path, columns=list(_COLUMNS))
    except (OSError, ValueError) as error:
        raise InputError(f"{Path(path).name}: not a table of interfaces: {error}") from error
    return [_interface(row) for row in table.to_dict("records")]


def _interface(row: dict) -> Interface:
    sides, names, locations = [], [], []
    for side, short in _SIDES.items():
        chains = tuple(row[side].split(CHAIN_SEPARATOR))
        labels = [row[f"{short}_{label}"] for label in _LABELS]
        if any(len(label) != sum(map(len, chains)) for label in labels):
            raise InputError(f"interface {row['id']!r}: the {side} has other residues than labels")
        sides.append(chains)
        names.append(tuple(row[f"{side}_chains"].split(",")))
        locations.append(location_rows(*labels))
    # An exact copy that was dropped is named `source:name`, and the name begins with its entry.
    copies = {name.partition(":")[2][:4].upper() for name in row["also"]}
    return Interface(
        row["id"],
        row["source"],
        frozenset({row["pdb"], *copies}),
        (sides[0], sides[1]),
        (names[0], names[1]),
        int(row["group"]),
        (locations[0], locations[1]),
    )


def location_rows(
    distance: Sequence[float] | np.ndarray,
    exposure: Sequence[float] | np.ndarray,
    classes: str,
    contacts: Sequence[int] | np.ndarray,
    packing: Sequence[int] | np.ndarray,
) -> np.ndarray:
    """Return the ``(L, 10)`` location of residues, by `ppi.effects.location.LOCATION_NAMES`.

    Parameters
    ----------
    distance
        ``(L,)`` shortest heavy-atom distance to the other side, in angstrom.
    exposure
        ``(L,)`` accessible area in the side alone, over that of Gly-X-Gly.
    classes
        A letter a residue: core, rim, support, surface or interior (C, R, P, S, I).
    contacts, packing
        ``(L,)`` CB atoms of the other side, and of the own side, within 10 angstrom.
    """
    shortest = np.asarray(distance, dtype=np.float32)
    found = np.zeros((len(shortest), len(LOCATION_NAMES)), dtype=np.float32)
    found[:, 0], found[:, 1] = shortest < _NEAR, shortest < _FAR
    found[:, 2] = np.clip(exposure, 0, _LARGEST_EXPOSURE)
    found[np.arange(len(found)), [CLASSES.start + _CLASS_LETTERS.index(letter) for letter in classes]] = 1
    found[:, 8] = np.log1p(np.asarray(contacts, dtype=np.float32))
    found[:, 9] = np.asarray(packing, dtype=np.float32) / 20
    return found
