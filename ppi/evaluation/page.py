"""The result of an evaluation as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from data_curation.html_page import html_page
from ppi.evaluation.score_tables import (
    bootstrap_sentence,
    ceiling_sentence,
    coverage_table,
    score_table,
    unscored_sentence,
    within_target_table,
)

#: Captions of the figures by file name.
CAPTIONS = {
    "scatter": (
        "Predicted against measured pKd; the dashed line is equality, colours show how many complexes lie "
        "nearby."
    ),
    "residuals": (
        "Left: error against prediction, and whether the interval holds the measured value. Right: errors of "
        "complexes that have a chain similar to one of training, and of those that have none."
    ),
    "calibration": (
        "Left: nominal against observed coverage. Only the calibrated level (diamond) is promised; for the "
        "others the intervals are scaled by the ratio of the normal quantiles, so a curve above the dashed "
        "line there means errors with a sharper peak than normal ones, one below it errors with a flatter "
        "one. Middle: coverage by identity to training, beside the promised level (dashed). Right: mean "
        "measured pKd of complexes that are predicted alike; bars are the standard deviation of the measured "
        "values, the dashed line is equality."
    ),
    "strata": "The model beside baselines: all complexes, by novelty and by source, with 95 % intervals.",
}


def evaluation_page(result: Mapping[str, Any], images: Mapping[str, bytes]) -> str:
    """Return the page.

    Parameters
    ----------
    result
        From `ppi.evaluation.evaluate.evaluate`.
    images
        PNG by the names of `CAPTIONS`.
    """
    data = result["data"]
    title = f"{result['model']['name']} on {data['part']} of {data['split']}, {data['name']}"
    return html_page(
        "ppi.evaluation",
        "evaluation.html",
        title=title,
        warnings=result["warnings"],
        sentences=(bootstrap_sentence(result), ceiling_sentence(result), unscored_sentence(result)),
        strata=_strata(result),
        capped=_strata(result, capped=True),
        level=f"{result['coverage']['level']:.0%}",
        coverage=coverage_table(result),
        within_target=within_target_table(result) if result["within_target"] else None,
        series=series_table(result) if result["within_target"] else None,
        facts=facts_table(result),
        images=images,
        captions=CAPTIONS,
    )


def series_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row per mutation series with the ranking scores of the model."""
    series = result["within_target"][result["model"]["name"]]["series"]
    return pd.DataFrame(
        {"PDB": name, "n": found["n"], "Spearman": f"{found['spearman']:.2f}"}
        for name, found in series.items()
    )


def facts_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """Return the facts of the evaluation, one row per fact."""
    facts = {f"model: {key}": value for key, value in result["model"].items()}
    facts |= {f"data: {key}": value for key, value in result["data"].items()}
    facts |= {"Python": result["python"], "git commit": result["git_commit"], **result["packages"]}
    return pd.DataFrame(
        {"what": [key.replace("_", " ") for key in facts], "value": [*map(str, facts.values())]}
    )


def _strata(result: Mapping[str, Any], *, capped: bool = False) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the heading and the scores of each stratum that has enough complexes."""
    for stratum in result["strata"]:
        if stratum["scored"]:
            heading = f"{stratum['name']} (n = {stratum['n']:,} in {stratum['groups']:,} groups)"
            yield heading, score_table(result, stratum["name"], capped=capped)
