"""A diagnosis as one HTML page that needs no other file."""

from __future__ import annotations

import pandas as pd

from data_curation.html_page import html_page
from ppi.explain.attention.figures import head_map
from ppi.explain.attention.overlap import Overlap
from ppi.explain.attention.result import HEAD_COLUMNS, LAYER_COLUMNS, PLACE, AttentionDiagnosis
from ppi.explain.attention.text import LIMITS, summary_lines


def diagnosis_page(found: AttentionDiagnosis) -> str:
    """Return the page."""
    title = f"Attention of {found.source}"
    return html_page(
        "ppi.explain.attention",
        "diagnosis.html",
        title=title,
        limits=LIMITS,
        summary=summary_lines(found),
        maps=[_map(found, name) for name in _measures(found.heads)],
        layers=_rounded(found.layers),
        columns={name: text for name, text in LAYER_COLUMNS.items() if name not in PLACE},
        overlap=found.overlap,
        classes=None if found.overlap is None else _classes(found.overlap),
        heads=_rounded(found.heads),
    )


def _map(found: AttentionDiagnosis, name: str) -> dict[str, object]:
    caption = f"{name}: {found.importance if name == 'importance' else HEAD_COLUMNS[name]}."
    if name in found.references:
        caption += f" Uniform attention has {found.references[name]:.3g}."
    return {"name": name, "caption": caption, "image": head_map(found.heads, name)}


def _classes(overlap: Overlap) -> pd.DataFrame:
    names = {name: f"{name} ({count})" for name, count in overlap.complexes.items()}
    return _rounded(overlap.table.rename(columns=names).rename_axis("class").reset_index())


def _measures(heads: pd.DataFrame) -> list[str]:
    """Return the columns with a value, the importance first."""
    found = [str(name) for name in heads if name not in (*PLACE, "head") and heads[name].notna().any()]
    return sorted(found, key=lambda name: name not in ("importance", "rmse_change"))


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    return table.map(
        lambda value: ("" if pd.isna(value) else f"{value:.3f}") if isinstance(value, float) else value
    )
