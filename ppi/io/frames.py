"""Tables as data frames: CSV, TSV, Excel and Parquet, with columns called as they are here."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ppi.errors import InputError
from ppi.io.columns import ACCEPTED_COLUMNS, CHAIN_NAME_COLUMNS, column_names, simple_name
from ppi.io.text import read_bytes, read_text, with_plain_line_ends

#: Columns that are never numbers: a peptide may well be called INF, and a chain 1.
_TEXT = ("id", "ligand", "receptor", *CHAIN_NAME_COLUMNS.values())
#: Cells that say that nothing is known. Only an empty id is missing: a complex may well be called NA.
MISSING_CELLS = ("", "NA", "N/A", "#N/A", "n/a", "na", "nan", "NaN", "null", "NULL", "None", "none")
FASTA_SUFFIXES = (".fasta", ".fa", ".faa", ".fas")
_SEPARATED, _WORKBOOK, _PARQUET = (".csv", ".tsv"), ".xlsx", ".parquet"
TABLE_SUFFIXES = (*_SEPARATED, _WORKBOOK, _PARQUET)


def readable(path: Path) -> bool:
    """Say whether `ppi.io.tables.read_complexes` knows the suffix of a file."""
    return _last_suffix(path) in FASTA_SUFFIXES + TABLE_SUFFIXES


def _last_suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def file_suffix(source: Path) -> str:
    """Return the suffix of a file that can be read, in lower case and without ``.gz``.

    Raises
    ------
    InputError
        If it is none of `FASTA_SUFFIXES` and `TABLE_SUFFIXES`.
    """
    if not readable(source):
        if not source.exists():
            raise InputError(f"{source}: no such file")
        if source.is_dir():
            raise InputError(f"{source}: this is a folder; give a file")
        raise InputError(
            f"{source}: unknown suffix {_last_suffix(source)!r}. Files with these are read, also with .gz "
            f"behind: {', '.join(FASTA_SUFFIXES + TABLE_SUFFIXES)}"
        )
    return _last_suffix(source)


def read_frame(source: Path, names: Sequence[str] = ("id",), forms: str = ACCEPTED_COLUMNS) -> pd.DataFrame:
    """Read a table from CSV, TSV, XLSX or Parquet, chosen by suffix (``.gz`` may follow).

    Parameters
    ----------
    source
        The file.
    names
        Columns that hold names: only an empty cell is missing there, because a name may well be NA.
    forms
        Ends the error of an empty file, and says what is accepted.

    Raises
    ------
    InputError
        If it cannot be read, or a column occurs twice.
    """
    suffix = file_suffix(source)
    if suffix in _SEPARATED:
        return _parse_separated(read_text(source), str(source), named=names, forms=forms)
    if suffix in FASTA_SUFFIXES:
        raise InputError(f"{source}: this is a FASTA file; give a table ({', '.join(TABLE_SUFFIXES)})")
    data = io.BytesIO(read_bytes(source))
    try:
        if suffix == _PARQUET:
            return pd.read_parquet(data)
        frame = pd.read_excel(
            data, header=None, dtype=object, keep_default_na=False, na_values=[""], engine="openpyxl"
        )
    except Exception as error:  # openpyxl and pyarrow raise errors of many kinds for damaged files
        hint = "; save an old, encrypted or OpenDocument workbook as .xlsx or CSV" * (suffix == _WORKBOOK)
        raise InputError(f"{source}: not a {suffix} file ({error}){hint}") from error
    if frame.dropna(how="all").empty:
        raise InputError(f"{source}: the first sheet is empty; {forms}")
    text = io.StringIO()
    frame.to_csv(text, index=False, header=False)
    return _parse_separated(text.getvalue(), str(source), ",", names, forms)


def read_frame_from_text(text: str, source: str, forms: str = ACCEPTED_COLUMNS) -> pd.DataFrame:
    """Read a table from text whose cells stand between ``,``, ``;`` or tabs; `forms` says what is accepted.

    Raises
    ------
    InputError
        If it is no table; the message begins with `source`.
    """
    return _parse_separated(with_plain_line_ends(text), source, forms=forms)


def _separator(header: str) -> str:
    """Return the separator that gives columns of ligand and receptor, else the most frequent one."""

    def columns(separator: str) -> int:
        try:
            cells = next(csv.reader([header], delimiter=separator))
        except csv.Error:  # a cell is longer than any name
            return 0
        names = {simple_name(name) for name in cells}
        return len({"ligand", "receptor", "ligandsequences", "receptorsequences"} & names)

    return max(",;\t", key=lambda separator: (columns(separator), header.count(separator)))


def _parse_separated(
    text: str,
    source: str,
    separator: str | None = None,
    named: Sequence[str] = ("id",),
    forms: str = ACCEPTED_COLUMNS,
) -> pd.DataFrame:
    """Return the table of a text whose cells stand between separators: those of the header by default."""
    if not text.strip():
        raise InputError(f"{source}: the file is empty; {forms}")
    if "\0" in text:
        raise InputError(f"{source}: not a text file (it holds a zero byte)")
    text = text.lstrip("\n")
    separator = separator or _separator(text.partition("\n")[0])
    try:
        rows = csv.reader(io.StringIO(text), delimiter=separator)
        names = column_names(next(rows), source)
        for number, row in enumerate(rows, start=1):
            if len(row) > len(names):
                raise InputError(
                    f"{source}, row {number}: it has {len(row)} cells, but the header has {len(names)}"
                )
        frame = pd.read_csv(
            io.StringIO(text),
            sep=separator,
            header=0,
            names=names,
            keep_default_na=False,
            skip_blank_lines=False,
            na_values={name: [""] if name in named else list(MISSING_CELLS) for name in names},
            dtype={name: str for name in names if name in _TEXT},
        )
    except (csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise InputError(f"{source}: not a table with {separator!r} between its cells ({error})") from error
    return frame
