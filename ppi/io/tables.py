"""Tables of complexes: CSV, TSV, Excel and Parquet, our own columns or those of the published data set."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ppi.complexes import Complex
from ppi.errors import InputError
from ppi.io.columns import ACCEPTED_COLUMNS, CHAIN_NAME_COLUMNS, named_frame, with_molar_kd
from ppi.io.fasta import named_complexes_from_fasta
from ppi.io.frames import FASTA_SUFFIXES, file_suffix, read_frame, read_frame_from_text
from ppi.io.origin import Origin
from ppi.io.rows import complex_from_row
from ppi.io.text import read_text, with_plain_line_ends
from ppi.plurals import counted

#: Columns that say which complexes are no independent draws, the one that says most first.
GROUP_COLUMNS = ("cluster", "pdb")
#: Most repeated ids that an error names, after the first.
_NAMED = 5


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
    origin
        Where the rows come from; None for what is no single table.
    """

    complexes: list[Complex]
    columns: pd.DataFrame
    origin: Origin | None = None

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
        if without and len(without) == len(self):
            columns = ", ".join(["id", "ligand", "receptor", *map(str, self.columns)])
            raise InputError(
                f"no {what} complex has a pKd: there is no column pkd, kd_molar or Kd with a unit, such as "
                f"Kd (nM), or it is empty; the other columns are {columns}"
            )
        if without:
            raise InputError(
                f"{len(without):,} of {counted(len(self), f'{what} complex')} have no pKd, the first is "
                f"{without[0]!r}; give a number in the column of pKd or Kd, or remove these rows and split "
                "the table again"
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
    return complexes_from_frame(read_frame_from_text(text, source), source)


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
    header = renamed.columns
    if "id" not in renamed:
        renamed["id"] = [f"row{number}" for number in numbers]
    origin = Origin(source, tuple(map(str, header)), tuple(numbers))
    renamed = with_molar_kd(renamed, source, numbers)
    complexes = [
        complex_from_row(row, f"{source}, row {number}")
        for number, row in zip(numbers, renamed.to_dict("records"), strict=True)
    ]
    _refuse_repeated_ids(complexes, f"{source}, row", numbers)
    rest = renamed.drop(columns=["id", "ligand", "receptor", "pkd", "kd_molar"], errors="ignore")
    return ComplexTable(complexes, rest.reset_index(drop=True), origin)


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
