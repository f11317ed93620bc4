"""The figure of a study."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure


def rank_figure(ranks: pd.DataFrame) -> Figure:
    """Return the mean rank of each configuration with its interval, the best on top.

    Parameters
    ----------
    ranks
        Result of `ppi.study.comparison.rank_table`.
    """
    figure = Figure(figsize=(8, 1.4 + 0.35 * len(ranks)), layout="constrained")
    axes = figure.add_subplot()
    place = np.arange(len(ranks))
    rank, lower, upper = (ranks[name].to_numpy() for name in ("rank", "lower", "upper"))
    # A percentile interval need not contain its value.
    whiskers = np.maximum(0, [rank - lower, upper - rank])
    axes.errorbar(rank, place, xerr=whiskers, fmt="o", color="#4477aa", capsize=3)
    axes.axvline((len(ranks) + 1) / 2, color="#777777", linestyle="--", linewidth=1)
    axes.set_yticks(place, ranks["configuration"])
    axes.set(xlabel="mean rank by test Spearman, 1 is best (95 % interval); dashed: all alike")
    axes.set_xlim(0.8, len(ranks) + 0.2)
    axes.set_ylim(len(ranks) - 0.5, -0.5)
    axes.grid(axis="x", color="#dddddd")
    axes.set_axisbelow(True)
    return figure
