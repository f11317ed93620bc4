"""The figures of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import ndimage

from ppi.evaluation.strata import EVERYTHING, NOVELTY_IDENTITY

_BLUE, _RED, _YELLOW, _GREEN, _GREY = "#4477aa", "#ee6677", "#ccbb44", "#228833", "#777777"
#: Baselines that are shown beside the model in the bar charts, if they were fitted.
_SHOWN_BASELINES = ("extra trees on composition", "nearest training complex", "ridge on embeddings")


def scatter_figure(rows: pd.DataFrame, result: Mapping[str, Any]) -> Figure:
    """Return predicted against measured pKd, coloured by the density of points.

    Parameters
    ----------
    rows
        Table from `ppi.evaluation.scoring.Scored.frame`.
    result
        Result of `ppi.evaluation.evaluate.evaluate`.
    """
    figure = Figure(figsize=(6, 5.2), layout="constrained")
    axes = figure.add_subplot()
    measured, predicted = rows["measured"].to_numpy(), rows["pkd"].to_numpy()
    density = _density(measured, predicted)
    order = np.argsort(density, kind="stable")
    points = axes.scatter(
        measured[order], predicted[order], c=density[order], s=14, cmap="viridis", linewidths=0
    )
    figure.colorbar(points, ax=axes, label="complexes nearby, relative to the densest place", shrink=0.8)
    low = float(np.floor(min(measured.min(), predicted.min())))
    high = float(np.ceil(max(measured.max(), predicted.max())))
    axes.plot([low, high], [low, high], color=_GREY, linestyle="--", linewidth=1, zorder=0)
    scores = result["scores"][result["model"]["name"]][EVERYTHING]
    lines = [
        f"n = {scores['n']:,}",
        *(
            f"{title} {scores[key]['value']:.2f}"
            for key, title in (("spearman", "Spearman"), ("rmse", "RMSE"))
        ),
    ]
    axes.text(0.03, 0.97, "\n".join(lines), transform=axes.transAxes, va="top")
    axes.set(
        xlabel="measured pKd", ylabel="predicted pKd", xlim=(low, high), ylim=(low, high), aspect="equal"
    )
    return figure


def residual_figure(rows: pd.DataFrame, result: Mapping[str, Any]) -> Figure:
    """Return errors against predictions, and their distribution by novelty; parameters as above."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    error = (rows["pkd"] - rows["measured"]).to_numpy()
    inside = ((rows["measured"] >= rows["pkd_lower"]) & (rows["measured"] <= rows["pkd_upper"])).to_numpy()
    for chosen, label, colour in ((inside, "inside", _BLUE), (~inside, "outside", _RED)):
        left.scatter(
            rows["pkd"][chosen],
            error[chosen],
            s=10,
            alpha=0.6,
            linewidths=0,
            color=colour,
            label=f"{label} the {result['coverage']['level']:.0%} interval (n = {chosen.sum():,})",
        )
    left.axhline(0, color=_GREY, linewidth=1, linestyle="--")
    left.set_ylim(top=error.max() + 0.25 * np.ptp(error))
    left.set(xlabel="predicted pKd", ylabel="predicted - measured pKd")
    left.legend(fontsize=9, loc="upper right")
    known = (rows["nearest_train_identity"] >= NOVELTY_IDENTITY).to_numpy()
    bins = np.linspace(error.min(), error.max(), 31).tolist()
    for chosen, label, colour in ((known, "a chain", _BLUE), (~known, "no chain", _RED)):
        if chosen.any():
            right.hist(
                error[chosen],
                bins=bins,
                density=True,
                histtype="step",
                linewidth=2,
                color=colour,
                label=f"{label} >= {NOVELTY_IDENTITY:.0%} identical to training (n = {chosen.sum():,})",
            )
    right.axvline(0, color=_GREY, linewidth=1, linestyle="--")
    right.margins(y=0.25)
    right.set(xlabel="predicted - measured pKd", ylabel="density, 1 / pKd unit")
    right.legend(fontsize=9, loc="upper right")
    return figure


def calibration_figure(
    result: Mapping[str, Any], kinds: tuple[str, ...] = ("all", "novelty bin", "wild types")
) -> Figure:
    """Return nominal against observed coverage, coverage by stratum, and measured against predicted bins.

    Parameters
    ----------
    result
        Result of `ppi.evaluation.evaluate.evaluate`.
    kinds
        Kinds of the strata that are shown.
    """
    figure = Figure(figsize=(15, 4.4), layout="constrained")
    curve, strata, bins = figure.subplots(1, 3)
    found = result["coverage"]
    points = found["curve"]
    curve.plot([0, 100], [0, 100], color=_GREY, linestyle="--", linewidth=1)
    curve.plot(
        [100 * p["nominal"] for p in points], [100 * p["observed"] for p in points], marker="o", color=_BLUE
    )
    promised = next(p for p in points if p["nominal"] == found["level"])
    curve.plot(
        100 * promised["nominal"],
        100 * promised["observed"],
        marker="D",
        markersize=10,
        color=_RED,
        linestyle="",
        label=f"calibrated level: {promised['observed']:.1%} observed",
    )
    curve.set(xlabel="nominal coverage, %", ylabel=f"observed coverage, % (n = {result['data']['n']:,})")
    curve.legend(loc="upper left", fontsize=9)
    _coverage_bars(strata, result, kinds)
    _reliability(bins, found["reliability"])
    return figure


def strata_figure(result: Mapping[str, Any]) -> Figure:
    """Return Spearman and RMSE of the model and some baselines, over all complexes and by source."""
    shown = [s for s in result["strata"] if s["scored"] and s["kind"] in ("all", "novelty", "source")]
    model = result["model"]["name"]
    predictors = [model, *(name for name in _SHOWN_BASELINES if name in result["scores"])]
    figure = Figure(figsize=(12, 2 + 0.8 * len(shown)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, metric, title in zip(
        panels, ("spearman", "rmse"), ("Spearman", "RMSE, pKd units"), strict=True
    ):
        for place, (name, colour) in enumerate(zip(predictors, (_BLUE, _YELLOW, _RED, _GREEN), strict=False)):
            scores = [result["scores"][name][stratum["name"]][metric] for stratum in shown]
            height = 0.8 / len(predictors)
            axes.barh(
                np.arange(len(shown)) + (place - (len(predictors) - 1) / 2) * height,
                [score["value"] for score in scores],
                height=height,
                color=colour,
                xerr=_whiskers(scores),
                error_kw={"linewidth": 1, "ecolor": "#333333"},
                label=name,
            )
        axes.axvline(0, color="#333333", linewidth=0.8)
        axes.set(xlabel=f"{title} (95 % interval)")
        axes.grid(axis="x", color="#dddddd")
        axes.set_axisbelow(True)
    panels[0].set_yticks(
        np.arange(len(shown)), [f"{_short(stratum['name'])}\nn = {stratum['n']:,}" for stratum in shown]
    )
    panels[0].invert_yaxis()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(predictors))
    return figure


def _density(first: np.ndarray, second: np.ndarray, bins: int = 60, smooth: float = 1.5) -> np.ndarray:
    """Return the smoothed number of points around each point, 1 where it is highest."""
    counts, *edges = np.histogram2d(first, second, bins=bins)
    smoothed = ndimage.gaussian_filter(counts, smooth)
    cells = [
        np.clip(np.searchsorted(edge, values, side="right") - 1, 0, bins - 1)
        for edge, values in zip(edges, (first, second), strict=True)
    ]
    density: np.ndarray = smoothed[cells[0], cells[1]]
    return density / density.max()


def _coverage_bars(axes: Axes, result: Mapping[str, Any], kinds: tuple[str, ...]) -> None:
    found = result["coverage"]
    shown = [s for s in result["strata"] if s["kind"] in kinds]
    scores = [found["strata"][stratum["name"]]["coverage"] for stratum in shown]
    heights = [100 * score["value"] for score in scores]
    positions = np.arange(len(shown))
    axes.barh(positions, heights, color=_BLUE, alpha=0.8, xerr=100 * _whiskers(scores))
    axes.axvline(100 * found["level"], color=_RED, linestyle="--", linewidth=1.5)
    labels = []
    for stratum in shown:
        width = found["strata"][stratum["name"]]["mean_width"]
        labels.append(f"{_short(stratum['name'])}\nn = {stratum['n']:,}, mean width {width:.1f}")
    axes.set_yticks(positions, labels, fontsize=9)
    axes.invert_yaxis()
    axes.set(xlabel="observed coverage, % (95 % interval)", xlim=(0, 100))


def _reliability(axes: Axes, bins: list[dict[str, float]]) -> None:
    predicted, measured, deviation = (
        np.array([point[key] for point in bins]) for key in ("predicted", "measured", "sd")
    )
    low, high = min(predicted.min(), measured.min()), max(predicted.max(), measured.max())
    axes.plot([low, high], [low, high], color=_GREY, linestyle="--", linewidth=1)
    axes.errorbar(predicted, measured, yerr=deviation, marker="o", color=_BLUE, capsize=3, linestyle="")
    axes.set(
        xlabel=f"mean predicted pKd ({len(bins)} bins of {bins[-1]['n']} or {bins[0]['n']} complexes)",
        ylabel="measured pKd, mean and standard deviation",
    )


def _whiskers(scores: list[dict[str, Any]]) -> np.ndarray:
    """Return the ``(2, N)`` lengths of the intervals below and above; NaN, which is not drawn, if there is
    none.
    """

    def lengths(score: dict[str, Any]) -> Iterator[float]:
        for low, high in (("lower", "value"), ("value", "upper")):
            known = score[low] is not None and score[high] is not None
            # A percentile interval need not contain its value.
            yield max(0.0, score[high] - score[low]) if known else float("nan")

    return np.array([[*lengths(score)] for score in scores]).T


def _short(name: str) -> str:
    return name.replace(" identical to a training chain", " identical").replace(
        "nearest identity", "identity"
    )
