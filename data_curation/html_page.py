"""Render self-contained HTML pages from Jinja templates.

The templates extend ``base.html`` and escape what they insert; the filters ``table`` and ``figure`` show data
frames and images.
"""

from __future__ import annotations

import base64
from functools import cache
from typing import Literal

import pandas as pd
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def html_page(package: str, template: str, **values: object) -> str:
    """Return the page of a template.

    Parameters
    ----------
    package
        Package whose folder ``templates`` has the template.
    template
        Name of the template's file.
    values
        Values of the template's variables; ``title`` is the title and the first heading.
    """
    return _environment(package).get_template(template).render(values)


@cache
def _environment(package: str) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("data_curation")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"figure": _figure, "table": _table}
    return environment


def _figure(content: bytes, kind: Literal["png", "svg+xml"], name: str, caption: str = "") -> Markup:
    """Return the HTML of an image: `name` is its alternative text, `caption` the text below."""
    below = Markup("<figcaption>{}</figcaption>").format(caption) if caption else ""
    data = base64.b64encode(content).decode("ascii")
    image = Markup('<img alt="{}" src="data:image/{};base64,{}">').format(name, kind, data)
    return Markup("<figure>{}{}</figure>").format(image, below)


def _table(frame: pd.DataFrame) -> Markup:
    """Return a table as HTML, without truncating cells."""
    with pd.option_context("display.max_colwidth", None):
        # Pandas escapes the cells.
        return Markup('<div class="table">{}</div>').format(Markup(frame.to_html(index=False, border=0)))
