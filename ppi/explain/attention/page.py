"""A diagnosis as one HTML page that needs no other file."""

from __future__ import annotations

import html
from collections.abc import Iterator

import pandas as pd

from data_curation.html_page import html_figure, html_page, html_table
from ppi.explain.attention.figures import head_map
from ppi.explain.attention.result import HEAD_COLUMNS, LAYER_COLUMNS, PLACE, AttentionDiagnosis
from ppi.explain.attention.text import LIMITS, summary_lines


def diagnosis_page(found: AttentionDiagnosis) -> str:
    """Return the page."""
    title = f"Attention of {found.source}"
    body = [f"<h1>{html.escape(title)}</h1>", f'<p class="warning">{html.escape(LIMITS)}</p>']
    return html_page(title, "\n".join([*body, *_sections(found)]))


def _sections(found: AttentionDiagnosis) -> Iterator[str]:
    yield from (f"<p>{html.escape(line)}</p>" for line in summary_lines(found))
    yield "<h2>Heads</h2>"
    for name in _measures(found.heads):
        caption = f"{name}: {found.importance if name == 'importance' else HEAD_COLUMNS[name]}."
        if name in found.references:
            caption += f" Uniform attention has {found.references[name]:.3g}."
        yield html_figure(head_map(found.heads, name), "png", name, caption)
    yield "<h2>Layers</h2>"
    yield html_table(_rounded(found.layers))
    yield "<ul>"
    yield from (
        f"<li><b>{name}</b>: {html.escape(text)}</li>"
        for name, text in LAYER_COLUMNS.items()
        if name not in PLACE
    )
    yield "</ul>"
    if found.overlap is not None:
        yield f"<h2>Overlap of the {found.overlap.heads} most important heads</h2>"
        yield (
            f"<p>Jaccard index between classes by {html.escape(found.overlap.column)}, on the diagonal "
            f"between random halves of a class. By chance it is {found.overlap.chance:.2f}.</p>"
        )
        counted = found.overlap.table.rename(
            columns={name: f"{name} ({count})" for name, count in found.overlap.complexes.items()}
        )
        yield html_table(_rounded(counted.rename_axis("class").reset_index()))
    yield "<h2>All figures</h2>"
    yield html_table(_rounded(found.heads))


def _measures(heads: pd.DataFrame) -> list[str]:
    """Return the columns with a value, the importance first."""
    found = [str(name) for name in heads if name not in (*PLACE, "head") and heads[name].notna().any()]
    return sorted(found, key=lambda name: name not in ("importance", "rmse_change"))


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    return table.map(
        lambda value: ("" if pd.isna(value) else f"{value:.3f}") if isinstance(value, float) else value
    )
