"""The result of a development cross-validation as one self-contained HTML page."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from data_curation.html_page import html_page, html_table
from ppi.evaluation.development_tables import (
    development_sentences,
    development_table,
    development_title,
    fold_table,
    interval_table,
    novelty_table,
    partner_table,
)
from ppi.evaluation.page import CAPTIONS, facts_table, html_image, series_table

_CAPTIONS = {
    **CAPTIONS,
    "strata": "The model beside baselines: all complexes and by novelty, with 95 % intervals.",
    "calibration": CAPTIONS["calibration"].replace("by identity to training", "by novelty"),
}


def development_page(result: Mapping[str, Any], images: Mapping[str, bytes]) -> str:
    """Return the page.

    Parameters
    ----------
    result
        From `ppi.study.development.cross_validate`.
    images
        PNG ``scatter``, ``strata`` and ``calibration``.
    """
    return html_page(development_title(result), "\n".join(_sections(result, images)))


def _sections(result: Mapping[str, Any], images: Mapping[str, bytes]) -> Iterator[str]:
    texts = development_sentences(result)
    yield f"<h1>{html.escape(development_title(result))}</h1>"
    for text in result["warnings"]:
        yield f'<p class="warning">{html.escape(text)}.</p>'
    yield from _section("", texts["scores"], development_table(result))
    yield html_image("scatter", images, _CAPTIONS)
    yield from _section("By novelty", texts["unscored"], novelty_table(result))
    yield html_image("strata", images, _CAPTIONS)
    yield from _section("Partners", texts["partners"], partner_table(result))
    yield from _section("Intervals", texts["intervals"], interval_table(result))
    yield html_image("calibration", images, _CAPTIONS)
    if result["within_target"]:
        yield from _section("Series of the model", "", series_table(result))
    yield from _section("Folds", "", fold_table(result))
    yield from _section("What was evaluated", "", facts_table(result))


def _section(heading: str, text: str, table: pd.DataFrame) -> Iterator[str]:
    if heading:
        yield f"<h2>{heading}</h2>"
    if text:
        yield f"<p>{html.escape(text)}</p>"
    yield html_table(table)
