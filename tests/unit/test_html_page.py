"""Pages from templates escape their values, and follow the reader's choice of light or dark."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from jinja2 import UndefinedError

from data_curation.html_page import html_page


def page_of(**values: object) -> str:
    table = pd.DataFrame({"a<b": ["<i>" + "x" * 100]})
    sections = [{"heading": "B & C", "text": "", "table": table, "image": "plot"}]
    given = {"title": "<model>", "warnings": ["<b>careful</b>"], "sections": sections, **values}
    return html_page("ppi.evaluation", "development.html", **given)


def test_text_cells_and_names_are_escaped() -> None:
    page = page_of(images={"plot": b"\x89PNG"}, captions={"plot": 'a "caption" < b'})
    assert "<title>&lt;model&gt;</title>" in page
    assert '<p class="warning">&lt;b&gt;careful&lt;/b&gt;.</p>' in page
    assert "<h2>B &amp; C</h2>" in page
    assert "<td>&lt;i&gt;" + "x" * 100 + "</td>" in page
    assert '<figure><img alt="plot" src="data:image/png;base64,iVBORw=="><figcaption>a &#34;caption' in page
    assert not re.search(r"<i>|<model>|https?://|<script|<link", page)


def test_pages_are_light_or_dark() -> None:
    page = page_of(images={"plot": b""}, captions={"plot": ""})
    assert "@media (prefers-color-scheme: dark)" in page
    assert "figcaption>" not in page


def test_a_value_that_is_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="images"):
        page_of()
