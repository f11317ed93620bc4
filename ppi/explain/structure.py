"""Colour a structure: an explanation in the column of B-factors, for any viewer."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Literal

import numpy as np

from data_curation.files import atomic_file
from ppi.errors import InputError
from ppi.explain.explain import Explanation

ColourBy = Literal["attribution", "interface"]

#: Suffixes of the formats, without .gz.
_PDB, _CIF = (".pdb", ".ent"), (".cif",)
#: What the largest number becomes; the column of a PDB file holds six characters.
_LARGEST = 100.0


def colour_structure(explanation: Explanation, source: Path, target: Path, *, by: ColourBy) -> None:
    """Write a structure again with numbers of an explanation in place of B-factors.

    The probability of the interface is written in percent; an attribution so that the largest one, of either
    sign, is 100 or -100. Residues that the explanation does not know get 0.

    Parameters
    ----------
    explanation
        Made with the structure, so that it knows the numbers of the residues.
    source
        PDB or mmCIF file, plain or gzipped.
    target
        File in the same format, plain.
    by
        Which numbers.

    Raises
    ------
    InputError
        If the suffixes are of different formats, or no format.
    data_curation.errors.OutputError
        If the file cannot be written.
    """
    check_formats(source, target)
    numbers = _numbers(explanation, by)
    opened = gzip.open if source.suffix.lower() == ".gz" else open
    with opened(source, "rt", encoding="latin-1") as file:
        text = file.read()
    coloured = _coloured_pdb if _format(target) == _PDB else _coloured_cif
    with atomic_file(target) as temporary:
        temporary.write_text(coloured(text, numbers), encoding="latin-1")


def check_formats(source: Path, target: Path) -> None:
    """Raise unless both files are in one format, by their suffixes.

    Raises
    ------
    InputError
        If they are not.
    """
    if _format(source) != _format(target) or target.suffix.lower() == ".gz":
        raise InputError(
            f"{target}: a coloured structure is written in the format of the structure, {source.name}; give "
            f"a file with the suffix {' or '.join(_format(source))}"
        )


def _format(path: Path) -> tuple[str, ...]:
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    for suffixes in (_PDB, _CIF):
        if suffix in suffixes:
            return suffixes
    raise InputError(f"{path}: unknown suffix {suffix!r}; a structure has {', '.join((*_PDB, *_CIF))}")


def _numbers(explanation: Explanation, by: ColourBy) -> dict[tuple[str, str], float]:
    """Return what is written for each chain name and residue number with insertion code."""
    known = explanation.table[explanation.table["author_number"].notna()]
    values = known[by].to_numpy(dtype=np.float64)
    largest = 1.0 if by == "interface" else max(float(np.abs(values).max(initial=0)), 1e-12)
    places = zip(known["chain_name"], known["author_number"], strict=True)
    return dict(zip(places, (_LARGEST * values / largest).tolist(), strict=True))


def _coloured_pdb(text: str, numbers: dict[tuple[str, str], float]) -> str:
    lines = []
    for line in text.splitlines():
        if line.startswith(("ATOM  ", "HETATM")):
            number = numbers.get((line[21], line[22:27].strip()), 0.0)
            line = f"{line:<66}"
            line = f"{line[:60]}{number:6.2f}{line[66:]}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def _coloured_cif(text: str, numbers: dict[tuple[str, str], float]) -> str:
    from gemmi import cif

    document = cif.read_string(text)
    atoms = document[0].get_mmcif_category("_atom_site.")
    columns = (atoms[name] for name in ("auth_asym_id", "auth_seq_id", "pdbx_PDB_ins_code"))
    # An absent insertion code is None or False.
    places = ((chain, number + (code or "")) for chain, number, code in zip(*columns, strict=True))
    atoms["B_iso_or_equiv"] = [f"{numbers.get(place, 0.0):.2f}" for place in places]
    document[0].set_mmcif_category("_atom_site.", atoms)
    return document.as_string()
