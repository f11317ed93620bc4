"""The heat map of a scan, with the profile of its sites and the predicted interface above it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from ppi.errors import InputError
from ppi.prediction.scanning.labels import ChainLabels
from ppi.prediction.scanning.scan import Scan, ScannedComplex

#: Amino acids from charged to small, as heat maps of mutations have them.
ALPHABET = "RKHDEQNSTYWFAILMVGPC"
_WIDTH = 80
_MOST_STRIPS = 100
_DOTS_PER_INCH = 110
_BLUE, _GREY = "#4477aa", "#777777"


class _Strip:
    """A stretch of a chain: ``(20, W)`` ddG of its single mutants, NaN where there is none."""

    def __init__(self, item: ScannedComplex, label: ChainLabels, matrix: np.ndarray, start: int) -> None:
        stop = min(start + _WIDTH, len(label.residues))
        self.label, self.start, self.matrix = label, start, matrix[:, start:stop]
        self.interface = item.interface[label.side, label.chain][start:stop]
        self.title = f"{item.wild.id}, {label}{f' ({label.name})' if label.name else ''}"

    def names(self) -> tuple[list[int], list[str]]:
        """Return where ticks are, and the residues with their numbers."""
        places = [
            place
            for place in range(self.matrix.shape[1])
            if (self.start + place + 1) % 5 == 0 or self.start + place == 0
        ]
        return places, [self._name(self.start + place + 1) for place in places]

    def _name(self, position: int) -> str:
        return f"{self.label.residues[position - 1]}{self.label.number(position) or position}"


def heat_map(complexes: Sequence[ScannedComplex]) -> Figure:
    """Return the figure: positions against amino acids, stretch by stretch.

    Parameters
    ----------
    complexes
        Chains without single mutants are left out.

    Raises
    ------
    InputError
        If there is no single mutant, or there are too many residues for one figure.
    """
    strips = [strip for item in complexes for strip in _strips(item)]
    if not strips:
        raise InputError("a heat map shows single mutants, and the scan has none")
    if len(strips) > _MOST_STRIPS:
        raise InputError(
            f"a heat map of {len(strips) * _WIDTH:,} residues is too large; scan fewer complexes or chains "
            "at a time"
        )
    limit = max(0.5, float(np.nanpercentile(np.abs(np.concatenate([s.matrix.ravel() for s in strips])), 99)))
    figure = Figure(figsize=(15, 4.1 * len(strips)), layout="constrained")
    panels = figure.subplots(2 * len(strips), 1, squeeze=False, height_ratios=[1, 2.6] * len(strips))[:, 0]
    for strip, profile, grid in zip(strips, panels[::2], panels[1::2], strict=True):
        _draw_profile(profile, strip)
        image = _draw_grid(grid, strip, limit)
    figure.colorbar(image, ax=list(panels), label="ddG, kcal/mol (red: weaker binding)", shrink=0.4, pad=0.01)
    return figure


def heat_map_png(scan: Scan | ScannedComplex) -> bytes:
    """Return the heat map as a PNG image; see `heat_map`."""
    figure = heat_map(scan.complexes if isinstance(scan, Scan) else [scan])
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return stream.getvalue()


def _strips(item: ScannedComplex) -> Iterator[_Strip]:
    singles = item.singles()
    for label in item.labels:
        own = singles[(singles["side"] == label.side) & (singles["chain"] == label.chain)]
        if own.empty:
            continue
        matrix = np.full((len(ALPHABET), len(label.residues)), np.nan)
        matrix[[ALPHABET.index(letter) for letter in own["mutant_residue"]], own["position"] - 1] = own[
            "ddg_kcal_mol"
        ]
        for start in range(0, len(label.residues), _WIDTH):
            if np.isfinite(matrix[:, start : start + _WIDTH]).any():
                yield _Strip(item, label, matrix, start)


def _draw_profile(axes: Axes, strip: _Strip) -> None:
    known = np.isfinite(strip.matrix)
    count = known.sum(axis=0)
    mean = np.where(known, strip.matrix, 0).sum(axis=0) / np.maximum(count, 1)
    axes.bar(np.arange(len(mean)), np.where(count, mean, np.nan), color=_GREY, width=0.8)
    axes.axhline(0, color="#333333", linewidth=0.6)
    axes.set(xlim=(-0.5, _WIDTH - 0.5), xticks=[], ylabel="mean ddG")
    axes.set_title(strip.title, loc="left", fontsize=10)
    track = axes.twinx()
    track.step(np.arange(len(strip.interface)), strip.interface, where="mid", color=_BLUE, linewidth=1.2)
    track.set(ylim=(0, 1), ylabel="interface")
    track.yaxis.label.set_color(_BLUE)


def _draw_grid(axes: Axes, strip: _Strip, limit: float) -> AxesImage:
    axes.set_facecolor("#eeeeee")
    image = axes.imshow(strip.matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    wild = strip.label.residues[strip.start : strip.start + strip.matrix.shape[1]]
    places = [(place, ALPHABET.index(letter)) for place, letter in enumerate(wild) if letter in ALPHABET]
    columns, rows = np.array(places).T
    axes.scatter(columns, rows, s=5, color="#333333")
    ticks, names = strip.names()
    axes.set_xticks(ticks, names, rotation=90, fontsize=7)
    axes.set_yticks(range(len(ALPHABET)), list(ALPHABET), fontsize=7)
    axes.set_xlim(-0.5, _WIDTH - 0.5)
    return image
