"""The result of an evaluation as one self-contained HTML page."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import pandas as pd

from data_curation.html_page import html_figure, html_page, html_table
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
    return html_page(title, "\n".join(_sections(title, result, images)))


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


def html_image(
    name: str, images: Mapping[str, bytes], captions: Mapping[str, str] = MappingProxyType(CAPTIONS)
) -> str:
    """Return the HTML of one of the PNG images, with its caption."""
    return html_figure(images[name], "png", name, captions[name])


def _sections(title: str, result: Mapping[str, Any], images: Mapping[str, bytes]) -> Iterator[str]:
    yield f"<h1>{html.escape(title)}</h1>"
    for text in result["warnings"]:
        yield f'<p class="warning">{html.escape(text)}.</p>'
    for text in (bootstrap_sentence(result), ceiling_sentence(result), unscored_sentence(result)):
        yield f"<p>{html.escape(text)}</p>"
    yield "<p>RMSE and MAE in pKd units; Kendall is tau-b.</p>"
    yield from _scores(result)
    yield html_image("scatter", images)
    yield html_image("strata", images)
    yield html_image("residuals", images)
    yield "<h2>Intervals</h2>"
    level = f"{result['coverage']['level']:.0%}"
    yield (
        f"<p>Coverage of the {level} intervals, and their mean width in pKd units. The level is promised for "
        "one complex of each new group, so coverage with the groups counted alike is its test.</p>"
    )
    yield html_table(coverage_table(result))
    yield html_image("calibration", images)
    yield "<h2>Ranking within a target</h2>"
    yield from _within_target(result)
    yield "<h2>Capped labels</h2>"
    yield (
        "<p>The same predictions against abs(log10(Kd / M + 1e-10)), the label of arXiv 2505.20036, which "
        "caps pKd at 10: to compare with its table only.</p>"
    )
    yield from _scores(result, capped=True)
    yield "<h2>What was evaluated</h2>"
    yield html_table(facts_table(result))


def _scores(result: Mapping[str, Any], *, capped: bool = False) -> Iterator[str]:
    for stratum in result["strata"]:
        if stratum["scored"]:
            heading = f"{stratum['name']} (n = {stratum['n']:,} in {stratum['groups']:,} groups)"
            yield f"<h3>{html.escape(heading)}</h3>"
            yield html_table(score_table(result, stratum["name"], capped=capped))


def _within_target(result: Mapping[str, Any]) -> Iterator[str]:
    if not result["within_target"]:
        yield "<p>No PDB entry has eight complexes.</p>"
        return
    series = result["within_target"][result["model"]["name"]]["series"]
    yield (
        f"<p>Spearman within each of {len(series)} PDB entries with at least 8 complexes (a complex and its "
        "mutants); intervals of the bootstrap over entries.</p>"
    )
    yield html_table(within_target_table(result))
    yield "<p>Of the model, entry by entry:</p>"
    yield html_table(series_table(result))
