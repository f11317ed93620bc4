"""The result of an evaluation as files."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from data_curation.files import (
    atomic_file,
    atomic_folder,
    check_writable_file,
    check_writable_folder,
    refuse_overwriting,
)
from ppi.evaluation.development_page import development_page
from ppi.evaluation.figures import calibration_figure, residual_figure, scatter_figure, strata_figure
from ppi.evaluation.page import evaluation_page
from ppi.io.tables import ComplexTable

#: Files of a report except its figures.
PAGE_FILE, RESULT_FILE, ROWS_FILE = "report.html", "report.json", "predictions.csv"
_DOTS_PER_INCH = 130


def check_outputs(
    data: str | os.PathLike[str] | ComplexTable,
    *,
    output: str | os.PathLike[str] | None,
    report: str | os.PathLike[str] | None,
) -> None:
    """Check, before the work, that a result can be written without overwriting the data.

    Parameters
    ----------
    data
        Table that is evaluated.
    output
        JSON file for the result, or None.
    report
        Folder for the report, or None.

    Raises
    ------
    data_curation.errors.OutputError
        If an output cannot be written, or is the data.
    """
    written: list[Path] = []
    if output is not None:
        written.append(check_writable_file(output))
    if report is not None:
        folder = check_writable_folder(report)
        written += [folder / name for name in (PAGE_FILE, RESULT_FILE, ROWS_FILE)]
    if not isinstance(data, ComplexTable):
        for path in written:
            refuse_overwriting(path, [data])


def write_report(folder: str | os.PathLike[str], result: Mapping[str, Any], rows: pd.DataFrame) -> None:
    """Write ``report.html`` (self-contained), its figures as PNG, ``report.json`` and ``predictions.csv``.

    Parameters
    ----------
    folder
        Folder of the report, which is created if it does not exist.
    result
        From `ppi.evaluation.evaluate.evaluate`.
    rows
        From `ppi.evaluation.scoring.Scored.frame`.

    Raises
    ------
    data_curation.errors.OutputError
        If the folder cannot be written.
    """
    figures = {
        "scatter": scatter_figure(rows, result),
        "residuals": residual_figure(rows, result),
        "calibration": calibration_figure(result),
        "strata": strata_figure(result),
    }
    _write_folder(folder, evaluation_page, figures, result, rows)


def write_development_report(
    folder: str | os.PathLike[str], result: Mapping[str, Any], rows: pd.DataFrame
) -> None:
    """Write the same files for a development cross-validation, but for the figure of residuals.

    Parameters
    ----------
    folder
        Folder of the report, which is created if it does not exist.
    result
        From `ppi.study.development.cross_validate`.
    rows
        From `ppi.evaluation.development.OutOfFold.frame`.

    Raises
    ------
    data_curation.errors.OutputError
        If the folder cannot be written.
    """
    figures = {
        "scatter": scatter_figure(rows, result),
        "strata": strata_figure(result),
        "calibration": calibration_figure(result, ("all", "novelty")),
    }
    _write_folder(folder, development_page, figures, result, rows)


def write_json(path: str | os.PathLike[str], result: Mapping[str, Any]) -> None:
    """Write a result as JSON.

    Raises
    ------
    data_curation.errors.OutputError
        If the file cannot be written.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(_as_json(result))


def _write_folder(
    folder: str | os.PathLike[str],
    page: Callable[[Mapping[str, Any], Mapping[str, bytes]], str],
    figures: Mapping[str, Figure],
    result: Mapping[str, Any],
    rows: pd.DataFrame,
) -> None:
    images = {name: _png(figure) for name, figure in figures.items()}
    with atomic_folder(folder) as temporary:
        (temporary / PAGE_FILE).write_text(page(result, images), encoding="utf-8")
        (temporary / RESULT_FILE).write_text(_as_json(result))
        rows.to_csv(temporary / ROWS_FILE, index=False)
        for name, image in images.items():
            (temporary / f"{name}.png").write_bytes(image)


def _as_json(result: Mapping[str, Any]) -> str:
    return json.dumps(result, indent=2, allow_nan=False) + "\n"


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return stream.getvalue()
