"""Tables of complexes: CSV, TSV and Parquet, our own columns or those of the published data set."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_curation.records import LARGEST_KD
from ppi.complexes import Complex, split_side
from ppi.errors import InputError
from ppi.io.fasta import read_fasta
from ppi.io.text import read_bytes, read_text

#: Columns of the published data set and what they are called here.
PUBLISHED_COLUMNS = {
    "Ligand Sequences": "ligand",
    "Receptor Sequences": "receptor",
    "KD(M)": "kd_molar",
}
ACCEPTED_COLUMNS = (
    "accepted columns: id,ligand,receptor[,pkd|kd_molar][,temperature_kelvin][,split][,weight], chains "
    "joined by ':' or ','; or those of the published data set, "
    "Ligand Sequences, Receptor Sequences, KD(M)"
)
#: Columns that say which complexes are no independent draws, the one that says most first.
GROUP_COLUMNS = ("cluster", "pdb")
#: Columns that are never numbers: a peptide may well be called INF.
_TEXT: dict[Hashable, type[str]] = dict.fromkeys(
    ("id", "ligand", "receptor", "Ligand Sequences", "Receptor Sequences"), str
)
FASTA_SUFFIXES = (".fasta", ".fa", ".faa", ".fas")
TABLE_SUFFIXES = (".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class ComplexTable:
    """Complexes and what else their table says of them.

    Attributes
    ----------
    complexes
        In the order of the file.
    columns
        One row a complex, in the same order: every other column of the table (``split``, ``weight``,
        ``temperature_kelvin``, ``source``, ...); none for a FASTA file.
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
        kept = list(keep)
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
                f"{len(without)} {what} complex(es) have no pKd, the first is {without[0]!r}; a number in "
                "the column pkd, or kd_molar, was expected"
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
    """Read complexes from FASTA, CSV, TSV or Parquet, chosen by suffix (``.gz`` may follow).

    Raises
    ------
    InputError
        If the file cannot be read or a record is wrong; the message names file, line and record.
    """
    source = Path(path)
    suffix = _suffix(source)
    if suffix in FASTA_SUFFIXES:
        complexes = read_fasta(source)
        return ComplexTable(complexes, pd.DataFrame(index=range(len(complexes))))
    return _from_frame(_read_frame(source, suffix), source)


def _suffix(source: Path) -> str:
    suffixes = [suffix.lower() for suffix in source.suffixes]
    if suffixes[-1:] == [".gz"]:
        suffixes.pop()
    found = suffixes[-1] if suffixes else ""
    if found not in FASTA_SUFFIXES + TABLE_SUFFIXES:
        if source.is_dir():
            raise InputError(f"{source}: is a folder, a file was expected")
        raise InputError(
            f"{source}: unknown suffix {found!r}; {', '.join(FASTA_SUFFIXES + TABLE_SUFFIXES)} are read, "
            "each also with .gz"
        )
    return found


def _read_frame(source: Path, suffix: str) -> pd.DataFrame:
    try:
        if suffix == ".parquet":
            return pd.read_parquet(io.BytesIO(read_bytes(source)))
        separator = "," if suffix == ".csv" else "\t"
        text = read_text(source)
        if not text.strip():
            raise InputError(f"{source}: the file is empty; {ACCEPTED_COLUMNS}")
        # Only empty cells are missing: a complex may well be called "NA".
        frame = pd.read_csv(
            io.StringIO(text), sep=separator, keep_default_na=False, na_values=[""], dtype=_TEXT
        )
        if not isinstance(frame.index, pd.RangeIndex):
            # pandas takes the surplus first cells of rows longer than the header for an index.
            raise InputError(f"{source}: the rows have more cells than the header")
        return frame
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{source}: not a table ({error})") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{source}: not a {suffix} file ({error})") from error


def _from_frame(frame: pd.DataFrame, source: Path) -> ComplexTable:
    renamed = frame.rename(columns={k: v for k, v in PUBLISHED_COLUMNS.items() if v not in frame})
    missing = [name for name in ("ligand", "receptor") if name not in renamed]
    if missing:
        raise InputError(f"{source}: no column {' and no column '.join(missing)}; {ACCEPTED_COLUMNS}")
    if renamed.empty:
        raise InputError(f"{source}: the table has no rows")
    if "id" not in renamed:
        renamed["id"] = [f"row{number}" for number in range(1, len(renamed) + 1)]
    complexes = [
        _from_row(row, f"{source}, row {number}")
        for number, row in enumerate(renamed.to_dict("records"), start=1)
    ]
    _refuse_repeated_ids(complexes, source)
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
    text = row[side]
    if not isinstance(text, str):
        raise InputError(f"the {side} is empty; residues were expected")
    return split_side(text)


def _pkd(row: Mapping[Any, object]) -> float | None:
    pkd, kd = _number(row, "pkd"), _number(row, "kd_molar")
    if pkd is not None:
        return pkd
    if kd is None:
        return None
    if not 0 < kd <= LARGEST_KD:
        raise InputError(
            f"kd_molar is {kd:g}; a number above zero in mol/L, {LARGEST_KD:g} at most, was expected"
        )
    return -math.log10(kd)


def _number(row: Mapping[Any, object], name: str) -> float | None:
    value = row.get(name)
    if value is None or value != value:
        return None
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name} is {value!r}; a finite number was expected")
    return number


def _refuse_repeated_ids(complexes: list[Complex], source: Path) -> None:
    first: dict[str, int] = {}
    for number, item in enumerate(complexes, start=1):
        if item.id in first:
            raise InputError(
                f"{source}, row {number}: the id {item.id!r} is already that of row {first[item.id]}"
            )
        first[item.id] = number
