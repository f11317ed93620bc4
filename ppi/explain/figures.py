"""The figures of an explanation."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ppi.explain.explain import Explanation
from ppi.prediction.scanning.labels import ChainLabels

_BLUE, _RED, _GREY = "#4477aa", "#ee6677", "#777777"
#: Residues of a row of the track, and rows at most.
_WIDTH, _MOST_ROWS = 120, 100


def track_png(explanation: Explanation) -> bytes:
    """Return the attribution of every residue and the predicted interface, as a PNG image."""
    parts = [
        (label, rows.iloc[start : start + _WIDTH])
        for label in explanation.labels
        for rows in [_rows_of(explanation.table, label)]
        for start in range(0, len(rows), _WIDTH)
    ][:_MOST_ROWS]
    limit = 1.05 * float(explanation.table["attribution"].abs().max()) or 1.0
    figure = Figure(figsize=(15, 1.9 * len(parts)), layout="constrained")
    for axes, (label, rows) in zip(figure.subplots(len(parts), 1, squeeze=False)[:, 0], parts, strict=True):
        _draw_track(axes, label, rows, limit)
    return png_of(figure)


def attention_png(explanation: Explanation) -> bytes | None:
    """Return how much residues of ligand and receptor attend each other; None where no head does that."""
    if explanation.attention is None:
        return None
    figure = Figure(figsize=(8, 6.5), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(explanation.attention, cmap="viridis", aspect="auto", origin="lower")
    axes.set(xlabel="residue of the receptor", ylabel="residue of the ligand")
    figure.colorbar(image, ax=axes, label="attention, mean of both directions")
    return png_of(figure)


def _rows_of(table: pd.DataFrame, label: ChainLabels) -> pd.DataFrame:
    return table[(table["side"] == label.side) & (table["chain"] == label.chain)]


def _draw_track(axes: Axes, label: ChainLabels, rows: pd.DataFrame, limit: float) -> None:
    values, errors = rows["attribution"].to_numpy(), rows["attribution_error"].to_numpy()
    at = rows["position"].to_numpy()
    axes.bar(at, values, color=np.where(values > 0, _BLUE, _RED), width=0.9)
    axes.errorbar(at, values, yerr=errors, fmt="none", ecolor=_GREY, elinewidth=0.5)
    axes.axhline(0, color="#333333", linewidth=0.6)
    axes.set(xlim=(at[0] - 1, at[0] + _WIDTH), ylim=(-limit, limit), ylabel="pKd")
    axes.set_title(f"{label}{f' ({label.name})' if label.name else ''}", loc="left", fontsize=10)
    ticks = [number for number in at if number % 10 == 0 or number == at[0]]
    axes.set_xticks(
        ticks, [f"{label.residues[number - 1]}{label.number(number) or number}" for number in ticks]
    )
    track = axes.twinx()
    track.step(at, rows["interface"], where="mid", color="#228833", linewidth=1.0)
    track.set(ylim=(0, 1), ylabel="interface")


def png_of(figure: Figure) -> bytes:
    """Return a figure as a PNG image."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()
