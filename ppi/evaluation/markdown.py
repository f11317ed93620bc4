"""The result of an evaluation in short, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ppi.evaluation.score_tables import (
    COVERAGE_SENTENCE,
    bootstrap_sentence,
    ceiling_sentence,
    coverage_table,
    score_cell,
    score_table,
    unscored_sentence,
    within_target_table,
)
from ppi.evaluation.strata import EVERYTHING
from ppi.io.markdown import markdown_table

_METRICS = ("spearman", "pearson", "rmse", "mae")
_KINDS = ("all", "training", "novelty")


def format_report(result: Mapping[str, Any]) -> str:
    """Return the result of `ppi.evaluation.evaluate.evaluate` as Markdown.

    All complexes and those of each novelty, the ranking within targets and the coverage; the page and the
    JSON have the rest.
    """
    model, data = result["model"]["name"], result["data"]
    lines = [f"# {model} on {data['part']} of {data['split']}, {data['name']}", ""]
    lines += [f"**{text}.**\n" for text in result["warnings"]]
    lines += [bootstrap_sentence(result), ceiling_sentence(result), ""]
    for stratum in result["strata"]:
        if stratum["kind"] in _KINDS and stratum["scored"]:
            lines += [f"## {stratum['name']} (n = {stratum['n']})", ""]
            lines += markdown_table(score_table(result, stratum["name"], metrics=_METRICS))
    capped = result["capped_scores"][model][EVERYTHING]
    shown = ", ".join(f"{metric} {score_cell(capped[metric])}" for metric in ("spearman", "pearson", "rmse"))
    lines += [
        f"Against labels capped at pKd 10, to compare with the table of arXiv 2505.20036 only: {shown}.",
        "",
    ]
    if result["within_target"]:
        count = result["within_target"][model]["count"]
        lines += [f"## within a target ({count} PDB entries with at least 8 complexes)", ""]
        lines += markdown_table(within_target_table(result))
    lines += [f"## coverage of the {result['coverage']['level']:.0%} intervals", ""]
    lines += markdown_table(coverage_table(result, (*_KINDS, "novelty bin")))
    lines += [COVERAGE_SENTENCE, ""]
    unscored = unscored_sentence(result)
    return "\n".join([*lines, unscored, ""] if unscored else lines)
