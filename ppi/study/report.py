"""The files of a study: its tables, its figure and its page."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from data_curation.files import atomic_file
from ppi.errors import TrainingError
from ppi.study.comparison import pair_table, rank_table
from ppi.study.figure import rank_figure
from ppi.study.page import study_page
from ppi.study.plan import StudyPlan
from ppi.study.processes import Failure
from ppi.study.scores import read_results, score_table

_DOTS_PER_INCH = 130


def write_study_report(plan: StudyPlan, failures: Sequence[Failure]) -> pd.DataFrame:
    """Write ``table.csv, pairs.csv, ranks.csv, rank.png`` and ``report.md`` from the finished cells.

    Returns
    -------
    DataFrame
        See `ppi.study.scores.score_table`.

    Raises
    ------
    TrainingError
        If no cell is finished.
    data_curation.errors.CurationError
        If a file cannot be written, or MMseqs2 is absent or fails.
    """
    results = read_results(plan)
    if not results:
        logs = plan.folder / "cells"
        reason = f"; the first log ends:\n{failures[0].tail}" if failures else ""
        raise TrainingError(f"no cell of the study is finished, their logs are in {logs}{reason}")
    table = score_table(results, {item.name: item.given for item in plan.configurations})
    own = table[table["kind"] == "configuration"]
    order = {str(split): rows["predictor"].tolist() for split, rows in own.groupby("split")}
    pairs, ranks = pair_table(results, order, plan.settings.references), rank_table(results)
    for name, frame in (("table", table), ("pairs", pairs), ("ranks", ranks)):
        with atomic_file(plan.folder / f"{name}.csv") as temporary:
            frame.to_csv(temporary, index=False)
    if len(ranks):
        with atomic_file(plan.folder / "rank.png") as temporary:
            rank_figure(ranks).savefig(temporary, dpi=_DOTS_PER_INCH)
    with atomic_file(plan.folder / "report.md") as temporary:
        temporary.write_text(study_page(plan, table, pairs, ranks, failures), encoding="utf-8")
    return table
