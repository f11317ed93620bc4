"""What an exchange of residues changes, as numbers.

Hydropathy is that of Kyte and Doolittle (1982), volume in cubic angstrom that of Zamyatnin (1972), polarity
that of Grantham (1974), the helix propensity in kcal/mol that of Pace and Scholtz (1998), the strand
propensity that of Chou and Fasman (1978), the similarity BLOSUM62 (Henikoff and Henikoff 1992).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from Bio.Align import substitution_matrices

from ppi.complexes import UNKNOWN

#: Order of the letters in the lists below.
_ORDER = "ARNDCQEGHILKMFPSTWYV"
_HYDROPATHY = (
    *(1.8, -4.5, -3.5, -3.5, 2.5, -3.5, -3.5, -0.4, -3.2, 4.5),
    *(3.8, -3.9, 1.9, 2.8, -1.6, -0.8, -0.7, -0.9, -1.3, 4.2),
)
_VOLUME = (
    *(88.6, 173.4, 114.1, 111.1, 108.5, 143.8, 138.4, 60.1, 153.2, 166.7),
    *(166.7, 168.6, 162.9, 189.9, 112.7, 89.0, 116.1, 227.8, 193.6, 140.0),
)
_POLARITY = (
    *(8.1, 10.5, 11.6, 13.0, 5.5, 10.5, 12.3, 9.0, 10.4, 5.2),
    *(4.9, 11.3, 5.7, 5.2, 8.0, 9.2, 8.6, 5.4, 6.2, 5.9),
)
_HELIX = (
    *(0.0, 0.21, 0.65, 0.69, 0.68, 0.39, 0.40, 1.0, 0.61, 0.41),
    *(0.21, 0.26, 0.24, 0.54, 3.16, 0.5, 0.66, 0.49, 0.53, 0.61),
)
_STRAND = (
    *(0.83, 0.93, 0.89, 0.54, 1.19, 1.10, 0.37, 0.75, 0.87, 1.60),
    *(1.30, 0.74, 1.05, 1.38, 0.55, 0.75, 1.19, 1.37, 1.47, 1.70),
)
_CHARGE = {"D": -1.0, "E": -1.0, "K": 1.0, "R": 1.0, "H": 0.2}
_AROMATIC, _BRANCHED, _HYDROGEN_BONDS = "FWYH", "VIT", "STNQYHW"
#: Residues that change the backbone or have no side chain to lose, each with flags of its own.
_SPECIAL = "GPAC"

PROPERTIES = (
    "hydropathy",
    "volume",
    "polarity",
    "charge",
    "aromatic",
    "helix",
    "strand",
    "branched",
    "hydrogen_bonds",
)
#: Names of the numbers of an exchange, in the order of `exchange`.
EXCHANGE_NAMES = (
    *(f"{name}_{which}" for which in ("wild", "mutant", "change", "distance") for name in PROPERTIES),
    *("blosum", "blosum_wild", "blosum_mutant"),
    *(f"{which}_{residue}" for which in ("wild", "mutant") for residue in _SPECIAL),
)


@cache
def residue_properties() -> dict[str, np.ndarray]:
    """Return the ``(9,)`` properties of each amino acid; those of X are the mean."""
    known = {
        residue: np.array(
            [
                _HYDROPATHY[place],
                _VOLUME[place] / 40,
                _POLARITY[place],
                _CHARGE.get(residue, 0.0),
                residue in _AROMATIC,
                _HELIX[place],
                2 * _STRAND[place],
                residue in _BRANCHED,
                residue in _HYDROGEN_BONDS,
            ],
            dtype=np.float32,
        )
        for place, residue in enumerate(_ORDER)
    }
    known[UNKNOWN] = np.mean(list(known.values()), axis=0, dtype=np.float32)
    return known


@cache
def exchange(wild: str, mutant: str) -> np.ndarray:
    """Return the numbers of an exchange of one amino acid for another, by `EXCHANGE_NAMES`."""
    properties, matrix = residue_properties(), _similarity()
    before, after = properties[wild], properties[mutant]
    similarity = [matrix[wild, mutant], matrix[wild, wild], matrix[mutant, mutant]]
    flags = [residue == special for residue in (wild, mutant) for special in _SPECIAL]
    change = after - before
    numbers = np.concatenate([before, after, change, np.abs(change), similarity, flags])
    return numbers.astype(np.float32)


@cache
def _similarity() -> substitution_matrices.Array:
    return substitution_matrices.load("BLOSUM62")
