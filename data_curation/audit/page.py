"""The audit as one HTML page that needs no other file."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from data_curation.html_page import html_page
from data_curation.records import TEST, TRAIN, VALIDATION

_COLOURS = {TRAIN: "#4477aa", VALIDATION: "#ccbb44", TEST: "#ee6677"}


def audit_page(
    title: str,
    summary: pd.DataFrame,
    per_source: pd.DataFrame,
    rows: pd.DataFrame,
    pkd: pd.Series,
    funnel: pd.DataFrame | None,
) -> str:
    """Return the audit as an HTML page.

    Parameters
    ----------
    title
        Title of the page, which names the audited split.
    summary, per_source
        Fractions as `data_curation.audit.leakage.summarise` returns them, overall and per source (may be
        empty).
    rows
        Comparisons as `data_curation.audit.leakage.audit_split` returns them.
    pkd
        Measured pKd (NaN if it is not measured), indexed by the part of the split.
    funnel
        Rows left by each step of the curation (`data_curation.records.FUNNEL_COLUMNS`); None omits the
        section.
    """
    return html_page(
        "data_curation",
        "audit.html",
        title=title,
        summary=as_percentages(summary),
        identity=_svg(_identity_figure(rows)),
        pkd=_svg(_pkd_figure(pkd)) if pkd.notna().any() else None,
        per_source=as_percentages(per_source),
        funnel=funnel,
        funnel_figure=None if funnel is None else _svg(_funnel_figure(funnel)),
    )


def as_percentages(summary: pd.DataFrame) -> pd.DataFrame:
    """Return the fractions of a summary in per cent, with one decimal."""
    shown = summary.copy()
    fractions = shown.select_dtypes("float").columns
    shown[fractions] = (100 * shown[fractions]).round(1)
    return shown


def _identity_figure(rows: pd.DataFrame) -> Figure:
    comparisons = list(rows.groupby(["part", "against"], sort=False))
    figure = Figure(figsize=(4 * len(comparisons), 3), layout="constrained")
    for number, ((part, against), group) in enumerate(comparisons, start=1):
        axes = figure.add_subplot(1, len(comparisons), number)
        axes.hist(100 * group.nearest_identity, bins=np.arange(0, 105, 5).tolist(), color=_COLOURS[str(part)])
        axes.set(title=f"{part} in {against}", xlabel="identity of the nearest chain, %", ylabel="complexes")
    return figure


def _pkd_figure(pkd: pd.Series) -> Figure:
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.add_subplot()
    bins = np.linspace(np.floor(pkd.min()), np.ceil(pkd.max()), 40).tolist()
    for part, values in pkd.dropna().groupby(level=0):
        colour = _COLOURS[str(part)]
        axes.hist(
            values, bins=bins, density=True, histtype="step", label=str(part), color=colour, linewidth=2
        )
    axes.set(xlabel="pKd", ylabel="density")
    axes.legend()
    return figure


def _funnel_figure(funnel: pd.DataFrame) -> Figure:
    shown = funnel[~funnel.step.str.startswith("split_")]
    shown = shown[shown["rows"].diff() != 0].iloc[::-1]
    figure = Figure(figsize=(7, 1 + 0.35 * len(shown)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(shown.step.str.replace("_", " "), shown["rows"], color=_COLOURS[TRAIN])
    axes.bar_label(bars, labels=[f"{rows:,}" for rows in shown["rows"]], padding=3)
    axes.set(xlabel="rows")
    axes.margins(x=0.15)
    return figure


def _svg(figure: Figure) -> bytes:
    stream = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "ppi"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
