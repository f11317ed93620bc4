"""Read raw tables as `BindingRecord`s, without judging or dropping rows."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Hashable, Mapping
from itertools import pairwise
from pathlib import Path

import pandas as pd

from data_curation.csv_files import read_csv, require_columns
from data_curation.errors import SourceError
from data_curation.records import LARGEST_KD, METHOD_PRIORITY, BindingRecord

_WORKBOOK_COLUMNS = (
    "Source Data Set",
    "PDB",
    "Mutations",
    "Ligand Chains",
    "Receptor Chains",
    "KD(M)",
    "Affinity Method",
    "Temperature(K)",
    "Ligand Name",
    "Receptor Name",
    "Affinity PubMed ID",
)
_SEQUENCE_COLUMNS = ("ligand_sequences", "receptor_sequences", "chain_conf", "seq_source")
_FILTERED_COLUMNS = (
    "PDB",
    "Ligand Chains",
    "Receptor Chains",
    "KD(M)",
    "Ligand Sequences",
    "Receptor Sequences",
)


def read_workbook(path: str | os.PathLike[str]) -> list[BindingRecord]:
    """Read the published PPB-Affinity workbook; it names chains and mutations and has no sequences.

    Parameters
    ----------
    path
        Path of an ``.xlsx`` whose first sheet has the columns of the publication.

    Returns
    -------
    list of BindingRecord
        One record per row, in order; ``row`` is its 0-based position, ``ligand`` and ``receptor`` are empty.

    Raises
    ------
    SourceError
        If the file cannot be read, a column is missing, or a Kd is not a number above zero.
    """
    source = Path(path)
    if not source.is_file():
        raise SourceError(f"{source}: no such file; give the PPB-Affinity workbook (.xlsx)")
    try:
        table = pd.read_excel(source, dtype=str, keep_default_na=False, engine="openpyxl")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SourceError(f"{source}: not a readable workbook ({error})") from error
    _require(table, _WORKBOOK_COLUMNS, source)
    table["row"] = [str(number) for number in range(len(table))]
    for name in _SEQUENCE_COLUMNS:
        table[name] = ""
    return _records(table, source, "row")


def read_sequence_table(path: str | os.PathLike[str]) -> list[BindingRecord]:
    """Read a table that already contains the sequences of the chains.

    Parameters
    ----------
    path
        Path of a CSV, plain or gzip, with chains joined by ``,``. It has either the columns of the
        PPB-Affinity workbook, the 0-based workbook ``row``, and ``ligand_sequences``, ``receptor_sequences``
        (empty if unknown), ``chain_conf`` and ``seq_source``; or the published ``filtered`` table, with
        ``PDB``, ``Ligand Chains``, ``Receptor Chains``, ``KD(M)``, ``Ligand Sequences`` and ``Receptor
        Sequences``, whose rows are numbered from 0 and in which other columns may be absent.

    Returns
    -------
    list of BindingRecord
        One record per row, ordered by ``row``.

    Raises
    ------
    SourceError
        If the file cannot be read, a column is missing, a ``row`` is not a distinct integer, or
        a Kd is not a number above zero.
    """
    source = Path(path)
    table = read_csv(source)
    if "Ligand Sequences" in table:
        _require(table, _FILTERED_COLUMNS, source)
        table = _as_sequence_table(table)
    _require(table, ("row", *_WORKBOOK_COLUMNS, *_SEQUENCE_COLUMNS), source)
    records = _records(table, source, "line")
    records.sort(key=lambda record: record.row)
    for earlier, later in pairwise(records):
        if earlier.row == later.row:
            raise SourceError(f"{source}: workbook row {later.row} occurs twice")
    return records


def _as_sequence_table(filtered: pd.DataFrame) -> pd.DataFrame:
    """Convert the published table to the columns of a table of sequences; unknown values are empty."""
    sequences = {"Ligand Sequences": "ligand_sequences", "Receptor Sequences": "receptor_sequences"}
    table = filtered.rename(columns=sequences)
    table["row"] = [str(number) for number in range(len(table))]
    table["seq_source"] = "filtered"
    return table.reindex(columns=["row", *_WORKBOOK_COLUMNS, *_SEQUENCE_COLUMNS], fill_value="")


def _require(table: pd.DataFrame, columns: tuple[str, ...], source: Path) -> None:
    require_columns(table, columns, source)
    if table.empty:
        raise SourceError(f"{source}: the table has no rows")


def _records(table: pd.DataFrame, source: Path, line: str) -> list[BindingRecord]:
    # Lines count from 1, and the header is the first one.
    return [
        _record(values, f"{source}, {line} {number}")
        for number, values in enumerate(table.to_dict("records"), start=2)
    ]


def _record(values: Mapping[Hashable, str], where: str) -> BindingRecord:
    if not values["row"].isdigit():
        raise SourceError(
            f"{where}: the row is {values['row']!r}; give the number of a workbook row, counted from 0"
        )
    return BindingRecord(
        row=int(values["row"]),
        source=values["Source Data Set"],
        pdb=values["PDB"].upper(),
        mutations=_names(values["Mutations"]),
        # An empty name (", C, D") is kept: a cleaning rule finds and reports it.
        ligand_chains=tuple(name.strip() for name in values["Ligand Chains"].split(",")),
        receptor_chains=tuple(name.strip() for name in values["Receptor Chains"].split(",")),
        ligand=_names(values["ligand_sequences"]),
        receptor=_names(values["receptor_sequences"]),
        kd_molar=_kd(values["KD(M)"], where),
        method=_method(values["Affinity Method"]),
        temperature_kelvin=_temperature(values["Temperature(K)"]),
        ligand_name=values["Ligand Name"].strip(),
        receptor_name=values["Receptor Name"].strip(),
        affinity_pubmed_id=values["Affinity PubMed ID"].removesuffix(".0"),
        sequence_source=f"table:{values['seq_source']}" if values["ligand_sequences"] else "",
        chain_confidence=values["chain_conf"],
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _kd(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value <= LARGEST_KD:
        raise SourceError(
            f"{where}: KD(M) is {text!r}; it must be a number above 0, {LARGEST_KD:g} mol/L at most"
        )
    return value


def _method(text: str) -> str:
    """Return the method; an empty one is ``Unknown``, one outside the published list ``Other``."""
    name = text.strip()
    if not name:
        return "Unknown"
    return name if name in METHOD_PRIORITY else "Other"


def _temperature(text: str) -> float | None:
    """Return the temperature in kelvin; the workbook writes an assumed value as ``298(assumed)``."""
    match = re.match(r"\d+(\.\d+)?", text.strip())
    return float(match.group()) if match else None
