"""Mutants by name, on the command line or in a table."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ppi.errors import InputError
from ppi.io.columns import named_frame
from ppi.io.frames import TABLE_SUFFIXES, read_frame

_COLUMN = "mutant"
_FORMS = f"give a table with a column {_COLUMN}, such as ligand:1:H102A"


def named_mutants(given: Iterable[str]) -> tuple[str, ...]:
    """Return the names of mutants, with those of its column ``mutant`` instead of the name of a table.

    Parameters
    ----------
    given
        Names, and paths of CSV, TSV, XLSX or Parquet files. Empty cells are left out.

    Raises
    ------
    InputError
        If a table cannot be read, or has no such column or no name in it.
    """
    names: list[str] = []
    for text in given:
        names += _in_table(Path(text)) if is_table(text) else [text]
    return tuple(names)


def is_table(text: str) -> bool:
    """Return whether a text is the path of a table, by its suffix."""
    return text.lower().removesuffix(".gz").endswith(TABLE_SUFFIXES)


def _in_table(path: Path) -> list[str]:
    frame = named_frame(read_frame(path, (_COLUMN,), _FORMS), str(path))
    if _COLUMN not in frame:
        raise InputError(f"{path}: no column {_COLUMN}; the columns are {', '.join(map(str, frame))}")
    cells = frame[_COLUMN].dropna().astype(str).str.strip()
    names = [cell for cell in cells if cell]
    if not names:
        raise InputError(f"{path}: the column {_COLUMN} is empty; {_FORMS}")
    return names
