"""Whatever a user has complexes in: files, folders, standard input, a DataFrame, records, or complexes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from ppi.complexes import Complex
from ppi.errors import InputError
from ppi.io.frames import readable
from ppi.io.tables import (
    ComplexTable,
    complexes_from_frame,
    read_complexes,
    read_complexes_from_text,
    table_of,
)
from ppi.io.text import is_standard_input, read_standard_input

#: What `read_inputs` takes.
Inputs: TypeAlias = (
    "str | os.PathLike[str] | Complex | ComplexTable | pd.DataFrame | Mapping[str, Any] | Iterable[Any]"
)
_FORMS = (
    "give a file (FASTA, CSV, TSV, XLSX or Parquet), a folder of files, '-' for standard input, a "
    "DataFrame with columns id, ligand and receptor, Complex objects, or records: dicts with these keys or "
    "tuples in this order"
)
_RECORD = ("id", "ligand", "receptor", "pkd")


def read_inputs(source: Inputs) -> ComplexTable:
    """Return the complexes of a source, in its order.

    Parameters
    ----------
    source
        A file, a folder (its files in the order of their names), ``-`` for standard input (FASTA or CSV),
        several of these; a DataFrame; a Complex or several; records, dicts with keys ``id, ligand, receptor``
        (and perhaps ``pkd``) or tuples in this order, whose sides are text with chains joined by ``:`` or
        lists of chains.

    Raises
    ------
    InputError
        If it is nothing of this kind, holds no complex, two complexes have one id, or a record is wrong.
    """
    if isinstance(source, ComplexTable):
        return _not_empty(source)
    if isinstance(source, Complex):
        return table_of([source])
    if isinstance(source, pd.DataFrame):
        return complexes_from_frame(source, "the table")
    if isinstance(source, (str, os.PathLike)):
        return _not_empty(_read_files([source]))
    if isinstance(source, Mapping):
        return complexes_from_frame(pd.DataFrame([source]), "the record")
    if not isinstance(source, Iterable):
        raise InputError(f"complexes cannot be read from a {type(source).__name__}: {_FORMS}")
    return _not_empty(_from_items(list(source)))


def files_of(sources: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the files that paths stand for: of a folder, those that can be read, by name.

    Raises
    ------
    InputError
        If a folder holds none.
    """
    files: list[Path] = []
    for source in map(Path, sources):
        try:
            if not source.is_dir():
                files.append(source)
                continue
            inside = sorted(path for path in source.iterdir() if path.is_file() and _is_input(path))
        except (OSError, ValueError) as error:
            raise InputError(f"{str(source)[:60]!r} cannot be read as a path ({error}): {_FORMS}") from error
        if not inside:
            raise InputError(f"{source}: the folder has no FASTA, CSV, TSV, XLSX or Parquet file")
        files += inside
    return files


def _is_input(path: Path) -> bool:
    """Say whether a file of a folder is read: not hidden ones, nor the locks of open workbooks."""
    return readable(path) and not path.name.startswith((".", "~$"))


def _from_items(items: list[Any]) -> ComplexTable:
    if all(isinstance(item, Complex) for item in items):
        return table_of(items)
    if all(isinstance(item, (str, os.PathLike)) for item in items):
        return _read_files(items)
    records = [_record(item, number) for number, item in enumerate(items, start=1)]
    return complexes_from_frame(pd.DataFrame(records), "the records")


def _record(item: Any, number: int) -> dict[str, Any]:
    if isinstance(item, Complex):
        return {name: getattr(item, name) for name in _RECORD}
    if isinstance(item, Mapping):
        return dict(item)
    if isinstance(item, (tuple, list)) and 3 <= len(item) <= len(_RECORD):
        return dict(zip(_RECORD, item, strict=False))
    raise InputError(f"record {number} is {str(item)[:60]!r} ({type(item).__name__}): {_FORMS}")


def _read_files(sources: Iterable[str | os.PathLike[str]]) -> ComplexTable:
    files = files_of(sources)
    tables = [_read_file(path) for path in files]
    if len(tables) == 1:
        return tables[0]
    first: dict[str, Path] = {}
    for path, table in zip(files, tables, strict=True):
        for item in table.complexes:
            if item.id in first:
                raise InputError(
                    f"{path}: the id {item.id!r} is already that of a complex of {first[item.id]}; give "
                    "each complex an id of its own (a table without a column id numbers its rows)"
                )
            first[item.id] = path
    complexes = [item for table in tables for item in table.complexes]
    return ComplexTable(complexes, pd.concat([table.columns for table in tables], ignore_index=True))


def _read_file(path: Path) -> ComplexTable:
    if is_standard_input(path):
        name = "standard input"
        return read_complexes_from_text(read_standard_input(name), name)
    return read_complexes(path)


def _not_empty(table: ComplexTable) -> ComplexTable:
    if not len(table):
        raise InputError(f"there are no complexes: {_FORMS}")
    return table
