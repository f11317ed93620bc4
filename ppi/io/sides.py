"""Sides without a partner, which a screen puts together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from ppi.complexes import CHAIN_SEPARATOR, clean_chain, split_side
from ppi.errors import InputError
from ppi.io.antibody_chains import warn_of_separate_chains
from ppi.io.fasta import first_word, parse_fasta, refuse_complexes
from ppi.io.frames import FASTA_SUFFIXES, file_suffix, read_frame, read_frame_from_text
from ppi.io.text import is_standard_input, read_standard_input, read_text, with_plain_line_ends

#: Columns of a table that may hold the residues of sides.
_SEQUENCE = "sequence"
_FORMS = (
    "give a FASTA file with one record a side, chains joined by ':', or a table (CSV, TSV, XLSX, Parquet) "
    f"with columns id and {_SEQUENCE}"
)


@dataclass(frozen=True)
class Side:
    """One side of the complexes of a screen.

    Attributes
    ----------
    id
        Its name.
    chains
        Residues of each chain.
    notes
        What was changed in the sequences when they were read.
    """

    id: str
    chains: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def residues(self) -> int:
        """Residues of all chains."""
        return sum(map(len, self.chains))


#: What `read_sides` takes.
SideInputs: TypeAlias = "str | os.PathLike[str] | pd.DataFrame | Mapping[str, Any] | Iterable[Side]"


def read_sides(source: SideInputs, role: str) -> list[Side]:
    """Return sides in the order of their source.

    Parameters
    ----------
    source
        A FASTA file with one record a side, its name the first word of the header; ``-`` for the text of one
        on standard input; a table, or the file of
        one, with columns ``id`` and ``sequence`` (or a column named as the role); a mapping from names to
        sequences; or sides. The chains of a side are joined by ``:``, or are a list where there is no file.
    role
        ``ligand`` or ``receptor``: begins the errors of what is no file.

    Raises
    ------
    InputError
        If the source cannot be read or is empty, an id occurs twice, or a sequence is wrong.
    """
    if is_standard_input(source):
        name = f"the {role}s on standard input"
        return read_sides_from_text(read_standard_input(name), name, role)
    if isinstance(source, (str, os.PathLike)):
        name, rows = str(source), _from_file(Path(source), role)
    elif isinstance(source, pd.DataFrame):
        name, rows = f"the table of {role}s", _from_frame(source, f"the table of {role}s", role)
    elif isinstance(source, Mapping):
        name, rows = f"the {role}s", [(f"{role} {key!r}", str(key), text) for key, text in source.items()]
    else:
        name, rows = f"the {role}s", _from_sides(source, role)
    return _from_rows(rows, name)


def read_sides_from_text(text: str, source: str, role: str) -> list[Side]:
    """Return the sides of the text of a FASTA file or of a table, whichever it is.

    Raises
    ------
    InputError
        If a record is wrong; the message begins with `source`.
    """
    text = with_plain_line_ends(text)
    if text.lstrip().startswith(">"):
        return _from_rows(_from_fasta(text, source), source)
    return _from_rows(_from_frame(read_frame_from_text(text, source, _FORMS), source, role), source)


def _from_rows(rows: list[tuple[str, str, Any]], name: str) -> list[Side]:
    sides: dict[str, Side] = {}
    for where, given, text in rows:
        key = given.strip()
        if not key:
            raise InputError(f"{where}: the id is empty; give each side an id")
        if key in sides:
            raise InputError(f"{where}: the id {key!r} occurs twice; give each side an id of its own")
        sides[key] = _side(key, text, where)
    if not sides:
        raise InputError(f"{name}: there are no sides; {_FORMS}")
    return list(sides.values())


def _from_file(path: Path, role: str) -> list[tuple[str, str, Any]]:
    if file_suffix(path) not in FASTA_SUFFIXES:
        return _from_frame(read_frame(path, forms=_FORMS), str(path), role)
    return _from_fasta(read_text(path), path)


def _from_fasta(text: str, source: Path | str) -> list[tuple[str, str, Any]]:
    records = list(parse_fasta(text, source, _FORMS))
    refuse_complexes(records, source)
    warn_of_separate_chains(records, source)
    return [
        (
            f"{source}, line {record.line}, record '>{record.header}'",
            first_word(record, source),
            record.sequence,
        )
        for record in records
    ]


def _from_frame(frame: pd.DataFrame, source: str, role: str) -> list[tuple[str, str, Any]]:
    columns = {str(name).strip().lower(): name for name in frame.columns}
    column = next((columns[name] for name in (_SEQUENCE, role) if name in columns), None)
    if "id" not in columns or column is None:
        raise InputError(f"{source}: the columns are {', '.join(map(str, frame.columns))}; {_FORMS}")
    rows = zip(frame[columns["id"]], frame[column], strict=True)
    found = []
    for number, (key, text) in enumerate(rows, start=1):
        name = "" if key is None or key != key else str(key)
        found.append((f"{source}, row {number}, id {name!r}", name, text))
    return found


def _from_sides(given: Iterable[Side], role: str) -> list[tuple[str, str, Any]]:
    sides = list(given)
    for number, side in enumerate(sides, start=1):
        if not isinstance(side, Side):
            raise InputError(f"the {role}s: number {number} is {side!r:.40}; give sides, or a mapping by id")
    return [(f"{role} {side.id!r}", side.id, side) for side in sides]


def _side(key: str, given: Any, where: str) -> Side:
    chains, notes = given, list[str]()
    if isinstance(given, Side):
        chains, notes = given.chains, [*given.notes]
    elif isinstance(given, str):
        chains = split_side(given)
    if not isinstance(chains, (tuple, list)) or not chains:
        raise InputError(
            f"{where}: the sequence is {given!r}; give residues, chains joined by {CHAIN_SEPARATOR!r}"
        )
    names = [f"{where}, chain {number}" for number in range(1, len(chains) + 1)]
    clean = tuple(clean_chain(chain, name, notes) for chain, name in zip(chains, names, strict=True))
    return Side(key, clean, tuple(note.removeprefix(f"{where}, ") for note in notes))
