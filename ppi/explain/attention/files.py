"""The files of a diagnosis."""

from __future__ import annotations

import json
from pathlib import Path

from data_curation.files import atomic_file
from ppi.explain.attention.page import diagnosis_page
from ppi.explain.attention.result import AttentionDiagnosis
from ppi.io.predictions import write_predictions


def write_diagnosis(
    found: AttentionDiagnosis,
    *,
    output: Path | None = None,
    as_json: Path | None = None,
    html: Path | None = None,
) -> None:
    """Write the files that are given.

    Parameters
    ----------
    found
        Result.
    output
        Table with one row per head: .csv, .tsv, .parquet, .json or .xlsx.
    as_json
        All tables and figures, with what the columns are.
    html
        Page.

    Raises
    ------
    data_curation.errors.OutputError
        If a file cannot be written.
    """
    if output is not None:
        write_predictions(found.heads, output)
    if as_json is not None:
        _write(as_json, json.dumps(found.as_json(), indent=2, allow_nan=False) + "\n")
    if html is not None:
        _write(html, diagnosis_page(found))


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
