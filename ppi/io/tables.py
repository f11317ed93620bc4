"""Tables of complexes: CSV, TSV, Excel and Parquet, our own columns or those of the published data set."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_curation.records import LARGEST_KD
from ppi.complexes import Complex, split_side
from ppi.errors import InputError
from ppi.io.columns import column_names, simple_name, with_molar_kd
from ppi.io.fasta import named_complexes_from_fasta
from ppi.io.text import read_bytes, read_text, with_plain_line_ends

ACCEPTED_COLUMNS = (
    "accepted columns: id,ligand,receptor[,pkd|kd_molar|Kd (nM)][,temperature_kelvin][,split][,weight], "
    "chains joined by ':' or ','; or those of the published data set, "
    "Ligand Sequences, Receptor Sequences, KD(M)"
)
#: Columns that say which complexes are no independent draws, the one that says most first.
GROUP_COLUMNS = ("cluster", "pdb")
#: Columns with the names of the chains of a side, joined by ``,``.
CHAIN_NAME_COLUMNS = {"ligand": "ligand_chain_names", "receptor": "receptor_chain_names"}
#: Columns that are never numbers: a peptide may well be called INF, and a chain 1.
_TEXT = ("id", "ligand", "receptor", *CHAIN_NAME_COLUMNS.values())
#: Cells that say that nothing is known. Only an empty id is missing: a complex may well be called NA.
_MISSING = ("", "NA", "N/A", "#N/A", "n/a", "na", "nan", "NaN", "null", "NULL", "None", "none")
#: pKd and Kd of one row may differ by this much, from rounding.
_PKD_TOLERANCE = 0.02
#: Most repeated ids that an error names, after the first.
_NAMED = 5
FASTA_SUFFIXES = (".fasta", ".fa", ".faa", ".fas")
_SEPARATED, _WORKBOOK, _PARQUET = (".csv", ".tsv"), ".xlsx", ".parquet"
TABLE_SUFFIXES = (*_SEPARATED, _WORKBOOK, _PARQUET)


@dataclass(frozen=True)
class ComplexTable:
    """Complexes and what else their table says of them.

    Attributes
    ----------
    complexes
        In the order of the file.
    columns
        One row per complex, in the same order: every other column of the table (``split``, ``weight``,
        ``temperature_kelvin``, ``source``, ...). For a FASTA file whose records name chains,
        `CHAIN_NAME_COLUMNS`; else none.
    """

    complexes: list[Complex]
    columns: pd.DataFrame

    def __post_init__(self) -> None:
        if len(self.complexes) != len(self.columns):
            raise ValueError(f"{len(self.complexes)} complexes, but {len(self.columns)} rows of columns")

    def __len__(self) -> int:
        return len(self.complexes)

    def rows(self, keep: Sequence[bool] | pd.Series) -> ComplexTable:
        """Return the complexes for which `keep` is true."""
        kept = pd.Series(keep, dtype="boolean").fillna(False).astype(bool).tolist()
        complexes = [item for item, wanted in zip(self.complexes, kept, strict=True) if wanted]
        return ComplexTable(complexes, self.columns[kept].reset_index(drop=True))

    def frame(self) -> pd.DataFrame:
        """Return one row a complex: ``id, ligand, receptor`` (chains joined by ``:``), ``pkd``, the rest."""
        own = {
            "id": [item.id for item in self.complexes],
            "ligand": [":".join(item.ligand) for item in self.complexes],
            "receptor": [":".join(item.receptor) for item in self.complexes],
            "pkd": [math.nan if item.pkd is None else item.pkd for item in self.complexes],
        }
        return pd.concat([pd.DataFrame(own), self.columns.reset_index(drop=True)], axis=1)

    def measured_pkd(self, what: str) -> np.ndarray:
        """Return ``(N,)`` measured pKd.

        Raises
        ------
        InputError
            If a complex has none; `what` says in the message which complexes these are.
        """
        without = [item.id for item in self.complexes if item.pkd is None]
        if without:
            raise InputError(
                f"{len(without)} {what} complex(es) have no pKd, the first is {without[0]!r}; give a "
                "number in the column of pKd or Kd, or remove these rows and split the table again"
            )
        return np.array([item.pkd for item in self.complexes], dtype=np.float64)

    def targets(self) -> np.ndarray:
        """Return ``(N,)`` names of the groups within which complexes are no independent draws.

        For each complex its ``cluster``, else its ``pdb``; where neither says anything it stands alone.
        """
        groups = pd.Series([f"alone {index}" for index in range(len(self))])
        for column in reversed(GROUP_COLUMNS):
            if column in self.columns:
                names = self.columns[column].reset_index(drop=True)
                groups = (f"{column} " + names.astype(str)).where(names.notna(), groups)
        return groups.to_numpy()

    def part(self, name: str) -> ComplexTable:
        """Return the rows of one part of the split.

        Raises
        ------
        InputError
            If there is no column ``split``, or no row has this value.
        """
        if "split" not in self.columns:
            raise InputError(f"the table has no column 'split', so it has no part {name!r}")
        part = self.rows(self.columns["split"] == name)
        if not len(part):
            present = ", ".join(sorted(map(str, self.columns["split"].unique())))
            raise InputError(f"no row has split {name!r}; there are {present}")
        return part


def read_complexes(path: str | os.PathLike[str]) -> ComplexTable:
    """Read complexes from FASTA, CSV, TSV, XLSX or Parquet, chosen by suffix (``.gz`` may follow).

    Raises
    ------
    InputError
        If the file cannot be read or a record is wrong; the message names file, line and record.
    """
    source = Path(path)
    if file_suffix(source) in FASTA_SUFFIXES:
        return _from_fasta(read_text(source), source)
    return complexes_from_frame(read_frame(source), str(source))


def named_frame(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return a table whose columns are called as they are here, the index among them if it is called id."""
    if simple_name(frame.index.name) == "id":
        frame = frame.reset_index()
    return frame.set_axis(column_names(list(frame.columns), source), axis=1)


def read_complexes_from_text(text: str, source: str) -> ComplexTable:
    """Read complexes from the text of a FASTA file or of a table, whichever it is.

    Raises
    ------
    InputError
        If a record is wrong; the message begins with `source`.
    """
    text = with_plain_line_ends(text)
    if text.lstrip().startswith(">"):
        return _from_fasta(text, source)
    return complexes_from_frame(_parse_separated(text, source), source)


def _from_fasta(text: str, source: Path | str) -> ComplexTable:
    named = named_complexes_from_fasta(text, source)
    table = table_of([item.complex for item in named])
    if not any(item.ligand or item.receptor for item in named):
        return table
    names = {
        column: [",".join(getattr(item, side)) for item in named]
        for side, column in CHAIN_NAME_COLUMNS.items()
    }
    return ComplexTable(table.complexes, pd.DataFrame(names))


def table_of(complexes: Sequence[Complex]) -> ComplexTable:
    """Return complexes of which nothing else is known.

    Raises
    ------
    InputError
        If two have the same id.
    """
    _refuse_repeated_ids(complexes, "complex", range(1, len(complexes) + 1))
    return ComplexTable(list(complexes), pd.DataFrame(index=range(len(complexes))))


def readable(path: Path) -> bool:
    """Say whether `read_complexes` knows the suffix of a file."""
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
            na_values={name: [""] if name in named else list(_MISSING) for name in names},
            dtype={name: str for name in names if name in _TEXT},
        )
    except (csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise InputError(f"{source}: not a table with {separator!r} between its cells ({error})") from error
    return frame


def complexes_from_frame(frame: pd.DataFrame, source: str) -> ComplexTable:
    """Return the complexes of a table with columns ``ligand`` and ``receptor``; rows without any cell are no
    rows.

    Parameters
    ----------
    frame
        Columns as `ACCEPTED_COLUMNS` says; an id is made where there is none.
    source
        Beginning of every error.

    Raises
    ------
    InputError
        If a column is missing or occurs twice, or a row is wrong; the message names the row, counted from 1
        without the header.
    """
    renamed = named_frame(frame, source)
    missing = [name for name in ("ligand", "receptor") if name not in renamed]
    if missing:
        raise InputError(f"{source}: no column {' and no column '.join(missing)}; {ACCEPTED_COLUMNS}")
    filled = np.flatnonzero(renamed.notna().any(axis=1))
    renamed, numbers = renamed.iloc[filled].reset_index(drop=True), (filled + 1).tolist()
    if renamed.empty:
        raise InputError(f"{source}: the table has no rows")
    if "id" not in renamed:
        renamed["id"] = [f"row{number}" for number in numbers]
    renamed = with_molar_kd(renamed, source)
    complexes = [
        _from_row(row, f"{source}, row {number}")
        for number, row in zip(numbers, renamed.to_dict("records"), strict=True)
    ]
    _refuse_repeated_ids(complexes, f"{source}, row", numbers)
    rest = renamed.drop(columns=["id", "ligand", "receptor", "pkd", "kd_molar"], errors="ignore")
    return ComplexTable(complexes, rest.reset_index(drop=True))


def _from_row(row: Mapping[Any, object], where: str) -> Complex:
    try:
        ligand, receptor = _side(row, "ligand"), _side(row, "receptor")
        name = "" if row["id"] is None or row["id"] != row["id"] else str(row["id"])
        return Complex(name, ligand, receptor, pkd=_pkd(row))
    except InputError as error:
        raise InputError(f"{where}, id {row['id']!r}: {error}") from error


def _side(row: Mapping[Any, object], side: str) -> tuple[str, ...]:
    given = row[side]
    if isinstance(given, (list, tuple, np.ndarray)):
        return tuple(given)
    if not isinstance(given, str) or given in _MISSING:
        raise InputError(f"the {side} is missing; give residues, chains joined by ':'")
    return split_side(given)


def _pkd(row: Mapping[Any, object]) -> float | None:
    pkd, kd = _number(row, "pkd"), _number(row, "kd_molar")
    if kd is None:
        return pkd
    if not 0 < kd <= LARGEST_KD:
        raise InputError(
            f"kd_molar is {kd:g}; a Kd in mol/L is a number above zero and at most {LARGEST_KD:g}. Is it "
            "in another unit?"
        )
    from_kd = -math.log10(kd)
    if pkd is not None and abs(pkd - from_kd) > _PKD_TOLERANCE:
        raise InputError(
            f"pkd is {pkd:g}, but kd_molar {kd:g} is a pkd of {from_kd:.3g}; correct one, or leave one out"
        )
    return from_kd if pkd is None else pkd


def _number(row: Mapping[Any, object], name: str) -> float | None:
    value = row.get(name)
    if value is None or value != value or str(value).strip() in _MISSING:
        return None
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} is {value!r}; give a finite number, or leave the cell empty")
    return number


def _refuse_repeated_ids(complexes: Sequence[Complex], where: str, numbers: Sequence[int]) -> None:
    kind, first, repeated = where.split()[-1], dict[str, int](), list[tuple[int, str]]()
    for number, item in zip(numbers, complexes, strict=True):
        if item.id in first:
            repeated.append((number, item.id))
        first.setdefault(item.id, number)
    if not repeated:
        return
    number, name = repeated[0]
    more = [f"{kind} {number} {name!r} ({kind} {first[name]})" for number, name in repeated[1:]]
    others = ", ".join(more[:_NAMED]) + (", ..." if len(more) > _NAMED else "")
    raise InputError(
        f"{where} {number}: the id {name!r} is already that of {kind} {first[name]}"
        + (f", and {len(more):,} more repeat an id: {others}" if more else "")
        + "; give each complex an id of its own"
    )
