"""Build self-contained HTML pages."""

from __future__ import annotations

import base64
import html
from typing import Literal

import pandas as pd

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; font-size: 13px; margin: 1rem 0; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
img { max-width: 100%; }
figure { margin: 1.5rem 0; }
figcaption { font-size: 13px; color: #444; max-width: 60rem; }
.warning { border-left: 4px solid #ee6677; padding: .5rem 1rem; background: #fdf0f1; }
"""


def html_page(title: str, body: str) -> str:
    """Return the page with this title and the HTML of its body."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def html_figure(content: bytes, kind: Literal["png", "svg+xml"], name: str, caption: str = "") -> str:
    """Return the HTML of an image: `name` is its alternative text, `caption` the text below."""
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
    return f'<figure><img alt="{html.escape(name)}" src="{source}">{below}</figure>'


def html_table(frame: pd.DataFrame) -> str:
    """Return a table as HTML, without truncating cells."""
    with pd.option_context("display.max_colwidth", None):
        return frame.to_html(index=False, border=0)
