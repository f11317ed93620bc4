"""PDB files made on the spot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from Bio.SeqUtils import seq3


def residue(
    name: str,
    number: int | str,
    place: float,
    chain: str = "A",
    record: str = "ATOM",
    alternate: str = " ",
    occupancy: float = 1.0,
    atoms: str = "N CA C",
) -> str:
    """Lines of one residue; those at places 1 apart are bonded (C-N 1.3, CA-CA 3.8 angstrom)."""
    number = str(number)
    label = f"{number:>4s} " if number[-1].isdigit() else f"{number:>5s}"
    lines = []
    for atom in atoms.split():
        x = 3.8 * place + {"N": 0.0, "CA": 1.2, "C": 2.5}[atom]
        lines.append(
            f"{record:6s}{1:5d}  {atom:3s}{alternate}{name:>3s} {chain}{label}   "
            f"{x:8.3f}{0:8.3f}{0:8.3f}{occupancy:6.2f}{10:6.2f}          {atom[0]:>2s}\n"
        )
    return "".join(lines)


def write_structure(
    folder: Path, source: str, pdb: str, chains: Mapping[str, str], first: Mapping[str, int] | None = None
) -> Path:
    """Write a file of whole chains, laid out as published; `first` has residue numbers other than 1."""
    path = folder / "PDB" / source / f"{pdb}.pdb"
    path.parent.mkdir(parents=True, exist_ok=True)
    start = first or {}
    path.write_text(
        "".join(
            residue(seq3(letter).upper(), start.get(name, 1) + place, place, chain=name)
            for name, sequence in chains.items()
            for place, letter in enumerate(sequence)
        )
    )
    return path
