"""The result of an evaluation as tables of text, for the terminal and for the page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

METRIC_TITLES = {
    "spearman": "Spearman",
    "pearson": "Pearson",
    "kendall": "Kendall",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R2",
}
CEILING_TITLES = {
    "all_replicates": "perfect model (noise of all replicates)",
    "without_copies": "perfect model (noise without copies)",
}


def score_table(
    result: Mapping[str, Any],
    stratum: str,
    *,
    metrics: tuple[str, ...] = tuple(METRIC_TITLES),
    capped: bool = False,
) -> pd.DataFrame:
    """Return one row per predictor and, for exact labels, the scores of a perfect model.

    Parameters
    ----------
    result
        From `ppi.evaluation.evaluate.evaluate`.
    stratum
        Name of a stratum that was scored.
    metrics
        Keys of `METRIC_TITLES`.
    capped
        Whether to show scores against capped labels.
    """
    rows = [
        {"predictor": name, **{METRIC_TITLES[m]: score_cell(per[stratum][m]) for m in metrics}}
        for name, per in result["capped_scores" if capped else "scores"].items()
    ]
    if result["ceiling"] is not None and not capped:
        for key, title in CEILING_TITLES.items():
            values = result["ceiling"]["strata"][stratum][key]
            if values is not None:
                rows.append({"predictor": title, **{METRIC_TITLES[m]: number(values[m]) for m in metrics}})
    return pd.DataFrame(rows)


def within_target_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row per predictor: mean and median Spearman of the series, and the share above 0."""
    return pd.DataFrame(
        {
            "predictor": name,
            "mean Spearman": score_cell(found["mean"]),
            "median Spearman": score_cell(found["median"]),
            "positive": f"{found['share_positive']:.0%}",
        }
        for name, found in result["within_target"].items()
    )


#: What the last column but one of `coverage_table` is.
COVERAGE_SENTENCE = (
    "Groups counted alike: the coverage with the same weight for each group of related complexes (column "
    "cluster, else pdb), which is what the level promises."
)


def coverage_table(result: Mapping[str, Any], kinds: tuple[str, ...] | None = None) -> pd.DataFrame:
    """Return one row per stratum of these kinds (all by default): coverage and mean width in pKd units."""
    found = result["coverage"]["strata"]
    return pd.DataFrame(
        {
            "complexes": stratum["name"],
            "n": stratum["n"],
            "coverage": score_cell(found[stratum["name"]]["coverage"], percent=True),
            "groups counted alike": number(found[stratum["name"]]["coverage_of_groups"], percent=True),
            "mean width": number(found[stratum["name"]]["mean_width"]),
        }
        for stratum in result["strata"]
        if kinds is None or stratum["kind"] in kinds
    )


def score_cell(score: Mapping[str, float | None], *, percent: bool = False) -> str:
    """Return a score with its interval; a dash if it is unknown."""
    shown = [number(score[key], percent=percent) for key in ("value", "lower", "upper")]
    if score["lower"] is None:
        return shown[0]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def number(value: float | None, digits: int = 2, *, percent: bool = False) -> str:
    """Return a number with some decimals, or in per cent with one; a dash for None and NaN."""
    if value is None or math.isnan(value):
        return "-"
    # Adding 0.0 makes a rounded -0.0 positive.
    return f"{100 * value:.1f}%" if percent else f"{round(value, digits) + 0.0:.{digits}f}"


def bootstrap_sentence(result: Mapping[str, Any]) -> str:
    """Return a sentence about the resampling of the intervals."""
    found = result["bootstrap"]
    unit = (
        "single complexes (the table has no column cluster or pdb)"
        if found["column"] == "complex"
        else f"whole groups of the column {found['column']}"
    )
    return (
        f"In brackets: 95 % intervals of {found['resamples']:,} bootstrap resamples of {unit}, "
        f"{found['groups']:,} in all."
    )


def ceiling_sentence(result: Mapping[str, Any]) -> str:
    """Return a sentence about the source of the label noise."""
    if result["ceiling"] is None:
        return "No noise ceiling: the table has no repeated measurements (columns pkd_sd and n_replicates)."
    found = result["ceiling"]["replicates"]
    return (
        f"{found['groups']:,} complexes of the table were measured repeatedly: one measurement has a pooled "
        f"standard deviation of {number(found['sd'])} pKd units; {number(found['sd_without_copies'])} "
        f"without the {found['copies']:,} whose values are all the same, most of them one measurement listed "
        "twice."
    )


def unscored_sentence(result: Mapping[str, Any]) -> str:
    """Return a sentence about the strata that are too small to be scored, or an empty text."""
    small = [f"{s['name']} (n = {s['n']})" for s in result["strata"] if not s["scored"]]
    return f"Too few complexes to be scored: {', '.join(small)}." if small else ""
