"""Heat maps of heads."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ppi.explain.attention.result import PLACE
from ppi.explain.figures import png_of


def head_map(attention_heads: pd.DataFrame, measure: str) -> bytes:
    """Return a PNG image of a measure, with a row per layer and a column per head.

    Parameters
    ----------
    attention_heads
        Table of heads.
    measure
        Column of it; for ``rmse_change`` and ``importance`` the colours are symmetric around 0.
    """
    grid = attention_heads.pivot_table(
        index=[*PLACE], columns="head", values=measure, dropna=False, observed=True
    )
    grid = grid.dropna(how="all")
    signed = measure in ("importance", "rmse_change")
    limit = float(grid.abs().max().max()) or 1.0
    figure = Figure(figsize=(2.2 + 0.42 * grid.shape[1], 1.4 + 0.34 * len(grid)), layout="constrained")
    axes = figure.add_subplot()
    scale = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit} if signed else {"cmap": "viridis"}
    image = axes.imshow(grid.to_numpy(), aspect="auto", **scale)
    several = attention_heads[["member", "part"]].drop_duplicates().shape[0] > 1
    labels = [f"{member} {part} {layer}" if several else str(layer) for member, part, layer in grid.index]
    axes.set_yticks(range(len(grid)), labels)
    axes.set_xticks(range(grid.shape[1]), [str(head) for head in grid.columns])
    axes.set(xlabel="head", ylabel="member, part, layer" if several else "layer")
    figure.colorbar(image, ax=axes)
    return png_of(figure)
