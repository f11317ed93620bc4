"""The audit of a split of a table, written as JSON, HTML and CSV."""

from __future__ import annotations

import json
import os

import pandas as pd

from data_curation.audit.leakage import MIN_COVERAGE, MIN_IDENTITY, audit_split, summarise
from data_curation.audit.page import audit_page
from data_curation.csv_files import read_csv
from data_curation.errors import AssignmentError, SourceError
from data_curation.files import atomic_folder, check_writable_folder
from data_curation.records import FUNNEL_COLUMNS, TEST, TRAIN, VALIDATION
from data_curation.splits.clustering import mmseqs_version
from data_curation.splits.parts import assigned_parts
from data_curation.splits.protocols import sides_of


def audit(
    table: pd.DataFrame,
    split: str = "split",
    output: str | os.PathLike[str] | None = None,
    funnel: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Audit a split of a table of complexes.

    Parameters
    ----------
    table
        Table with the columns ``id, ligand, receptor`` (chains joined by ``:``) and optionally ``source``.
    split
        Name of a column of `table`, or path of a CSV with ``id,split``.
    output
        Folder for ``audit.json``, ``audit.html`` (self-contained, with plots) and ``audit_rows.csv``;
        nothing is written if it is None.
    funnel
        Path of the ``funnel.csv`` of a curation, for the page.

    Returns
    -------
    DataFrame
        See `data_curation.audit.leakage.summarise`.

    Raises
    ------
    AssignmentError
        If the split is neither a column nor a file, or does not fit the table.
    SourceError
        If the funnel cannot be read.
    """
    if output is not None:
        check_writable_folder(output)
    steps = None if funnel is None else _read_funnel(funnel)
    complexes = sides_of(table)
    part = _parts(table, split)
    rows = audit_split(complexes, part)
    summary = summarise(rows)
    if output is not None:
        by_id = table.set_index(table["id"].astype(str))
        if "source" in table:
            rows = rows.assign(source=rows["id"].map(by_id["source"]))
        measured = by_id["pkd"] if "pkd" in table else pd.Series(float("nan"), index=by_id.index)
        pkd = pd.Series({name: measured[name] for name in part}, dtype=float).rename(part)
        _write(rows, summary, pkd, steps, output)
    return summary


def _parts(table: pd.DataFrame, split: str) -> dict[str, str]:
    part = assigned_parts(table, split)
    absent = {TRAIN, VALIDATION, TEST} - set(part.values())
    if TRAIN in absent or len(absent) > 1:
        raise AssignmentError(
            f"{split}: no complex is in {', '.join(sorted(absent))}; train and one of validation and test "
            "must have some"
        )
    return part


def _read_funnel(path: str | os.PathLike[str]) -> pd.DataFrame:
    funnel = read_csv(path, FUNNEL_COLUMNS)
    wrong = funnel.index[~funnel["rows"].str.fullmatch(r"\d+")]
    if len(wrong):
        raise SourceError(f"{path}, line {wrong[0] + 2}: rows is {funnel['rows'][wrong[0]]!r}, not a number")
    return funnel.astype({"rows": int})


def _write(
    rows: pd.DataFrame,
    summary: pd.DataFrame,
    pkd: pd.Series,
    funnel: pd.DataFrame | None,
    output: str | os.PathLike[str],
) -> None:
    per_source = pd.DataFrame()
    if "source" in rows:
        sources = rows["source"].fillna("not given")
        tables = [summarise(group).assign(source=str(source)) for source, group in rows.groupby(sources)]
        per_source = pd.concat(tables, ignore_index=True)
        per_source.insert(0, "source", per_source.pop("source"))
    content = {
        "min_identity": MIN_IDENTITY,
        "min_coverage_of_shorter": MIN_COVERAGE,
        "mmseqs_version": mmseqs_version(),
        "all": summary.to_dict("records"),
        "per_source": per_source.to_dict("records"),
    }
    page = audit_page("Audit of a split", summary, per_source, rows, pkd, funnel)
    with atomic_folder(output) as folder:
        (folder / "audit.json").write_text(json.dumps(content, indent=2) + "\n")
        (folder / "audit.html").write_text(page, encoding="utf-8")
        rows.to_csv(folder / "audit_rows.csv", index=False)
