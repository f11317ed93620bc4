"""What the jobs do: scan, screen and explain. What draws figures is imported when it is first needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ppi.io.predictions import format_csv
from ppi.io.sides import Side
from ppi.io.tables import ComplexTable
from ppi.prediction.predictor import Predictor
from ppi.prediction.screening.settings import ScreenSettings
from ppi.serve.rows import json_rows
from ppi.serve.schemas import ExplainRequest, ScanRequest, ScreenRequest


@dataclass(frozen=True)
class JobResult:
    """What a job has found.

    Attributes
    ----------
    json
        Object with ``summary`` (text), ``rows`` and perhaps more, encoded: it is sent more often than it is
        made.
    csv
        The table as the command line writes it.
    page
        HTML that needs no other file; None for a job that has none.
    """

    json: bytes
    csv: bytes
    page: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return len(self.json) + len(self.csv) + len(self.page or b"")


#: Does a job.
Work = Callable[[], JobResult]


def scan_work(predictor: Predictor, table: ComplexTable, request: ScanRequest) -> JobResult:
    """Scan mutations."""
    from ppi.prediction.scanning.page import scan_page
    from ppi.prediction.scanning.summary import summary_text

    found = predictor.scan(
        table,
        sites=request.sites,
        alanine=request.alanine,
        pairs=request.pairs,
        mutants=request.mutants,
        measured=request.measured,
    )
    return job_result(found.table, summary_text(found), scan_page(found))


def explain_work(predictor: Predictor, table: ComplexTable, request: ExplainRequest) -> JobResult:
    """Explain predictions."""
    from ppi.explain.explain import explain
    from ppi.explain.page import explanation_page, summary_text

    found = explain(predictor, table, orders=request.orders)
    rows = pd.concat([item.table for item in found], ignore_index=True)
    return job_result(rows, summary_text(found), explanation_page(found))


def screen_work(
    predictor: Predictor, ligands: list[Side], receptors: list[Side], request: ScreenRequest
) -> JobResult:
    """Screen all pairs."""
    settings = ScreenSettings(request.per, request.top_k, request.min_pkd)
    table = predictor.screen(ligands, receptors, settings=settings, max_hours=1.0)
    pairs = len(ligands) * len(receptors)
    return job_result(table, f"{pairs:,} pairs were screened; {len(table):,} rows are kept.\n")


def job_result(table: pd.DataFrame, summary: str, page: str | None = None, **more: Any) -> JobResult:
    """Return a table, a summary and perhaps a page as the result of a job; `more` goes into its JSON."""
    content = {"summary": summary, "rows": json_rows(table), **more}
    return JobResult(
        json.dumps(content, allow_nan=False).encode(),
        (format_csv(table) or "").encode(),
        None if page is None else page.encode(),
    )
