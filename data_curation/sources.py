"""Readers of raw tables: from a file to `BindingRecord`s, nothing judged and nothing dropped."""

from __future__ import annotations

import os
import re
import zlib
from itertools import pairwise
from pathlib import Path

import pandas as pd

from data_curation.errors import SourceError
from data_curation.records import METHOD_PRIORITY, BindingRecord

_COLUMNS = (
    "row",
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
    "ligand_sequences",
    "receptor_sequences",
    "chain_conf",
    "seq_source",
)


def read_sequence_table(path: str | os.PathLike[str]) -> list[BindingRecord]:
    """Read a table of workbook rows that already carries the sequences of the chains.

    Parameters
    ----------
    path
        CSV, plain or gzip, with the PPB-Affinity workbook's columns, the 0-based workbook ``row``,
        and ``ligand_sequences`` / ``receptor_sequences`` (chains joined by ``,``; empty if unknown).

    Returns
    -------
    list of BindingRecord
        One for each row, ordered by ``row``.

    Raises
    ------
    SourceError
        If the file cannot be read, a column is missing, a ``row`` is not a distinct whole number, or
        a Kd is not a number above zero.
    """
    source = Path(path)
    if not source.is_file():
        raise SourceError(f"{source}: no such file; a CSV with sequences (.csv or .csv.gz) was expected")
    try:
        table = pd.read_csv(source, dtype=str, keep_default_na=False)
    except (
        OSError,
        EOFError,
        zlib.error,
        UnicodeDecodeError,
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
    ) as error:
        raise SourceError(f"{source}: not a readable CSV ({error})") from error
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        raise SourceError(
            f"{source}: missing column(s) {', '.join(missing)}; it has {', '.join(table.columns)}"
        )
    if table.empty:
        raise SourceError(f"{source}: the table has no rows")
    records = [
        _record(values, f"{source}, line {index + 2}") for index, (_, values) in enumerate(table.iterrows())
    ]
    records.sort(key=lambda record: record.row)
    for earlier, later in pairwise(records):
        if earlier.row == later.row:
            raise SourceError(f"{source}: workbook row {later.row} occurs twice")
    return records


def _record(values: pd.Series, where: str) -> BindingRecord:
    if not values["row"].isdigit():
        raise SourceError(f"{where}: row is {values['row']!r}, a 0-based workbook row was expected")
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
        sequence_source=values["seq_source"],
        chain_confidence=values["chain_conf"],
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _kd(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise SourceError(f"{where}: KD(M) is {text!r}, a number above zero in mol/L was expected")
    return value


def _method(text: str) -> str:
    """Return the method; an empty one is ``Unknown``, one outside the published list ``Other``."""
    name = text.strip()
    if not name:
        return "Unknown"
    return name if name in METHOD_PRIORITY else "Other"


def _temperature(text: str) -> float | None:
    """Return kelvin; the workbook writes an assumed value as ``298(assumed)``."""
    match = re.match(r"\d+(\.\d+)?", text.strip())
    return float(match.group()) if match else None
