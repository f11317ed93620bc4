"""Simple sequence descriptors of a side, without a language model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ppi.complexes import AMINO_ACIDS, Complex

#: Number of descriptors of a side.
WIDTH = len(AMINO_ACIDS) + 4


def described_sides(complexes: Sequence[Complex]) -> np.ndarray:
    """Return ``(N, 2, 24)`` float64, ligand and receptor of each complex.

    The descriptors of a side are the fraction of each of the twenty residues, the logarithms of its length
    and of its shortest and its longest chain, and the number of its chains.
    """
    known: dict[tuple[str, ...], np.ndarray] = {}
    rows = np.empty((len(complexes), 2, WIDTH))
    for row, item in zip(rows, complexes, strict=True):
        for place, side in enumerate((item.ligand, item.receptor)):
            if side not in known:
                known[side] = _described(side)
            row[place] = known[side]
    return rows


def _described(side: tuple[str, ...]) -> np.ndarray:
    residues, lengths = "".join(side), [len(chain) for chain in side]
    fractions = [residues.count(letter) / len(residues) for letter in AMINO_ACIDS]
    return np.array([*fractions, *np.log([len(residues), min(lengths), max(lengths)]), len(side)])
