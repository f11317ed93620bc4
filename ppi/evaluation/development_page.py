"""The result of a development cross-validation as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from data_curation.html_page import html_page
from ppi.evaluation.development_tables import (
    development_sentences,
    development_table,
    development_title,
    fold_table,
    interval_table,
    novelty_table,
    partner_table,
)
from ppi.evaluation.page import CAPTIONS, facts_table, series_table

_CAPTIONS = {
    **CAPTIONS,
    "strata": "The model beside baselines: all complexes and by novelty, with 95 % intervals.",
    "calibration": CAPTIONS["calibration"].replace("by identity to training", "by novelty"),
}


class _Section(NamedTuple):
    """A table with the text above it and the image below it, each of which may be empty."""

    heading: str
    text: str
    table: pd.DataFrame
    image: str = ""


def development_page(result: Mapping[str, Any], images: Mapping[str, bytes]) -> str:
    """Return the page.

    Parameters
    ----------
    result
        From `ppi.study.development.cross_validate`.
    images
        PNG ``scatter``, ``strata`` and ``calibration``.
    """
    return html_page(
        "ppi.evaluation",
        "development.html",
        title=development_title(result),
        warnings=result["warnings"],
        sections=_sections(result),
        images=images,
        captions=_CAPTIONS,
    )


def _sections(result: Mapping[str, Any]) -> Iterator[_Section]:
    texts = development_sentences(result)
    yield _Section("", texts["scores"], development_table(result), "scatter")
    yield _Section("By novelty", texts["unscored"], novelty_table(result), "strata")
    yield _Section("Partners", texts["partners"], partner_table(result))
    yield _Section("Intervals", texts["intervals"], interval_table(result), "calibration")
    if result["within_target"]:
        yield _Section("Series of the model", "", series_table(result))
    yield _Section("Folds", "", fold_table(result))
    yield _Section("What was evaluated", "", facts_table(result))
