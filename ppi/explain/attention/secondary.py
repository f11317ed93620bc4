"""Sinks beside the strongest one of a layer, and the massive activations that go with sinks."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import torch
from torch import Tensor

from ppi.explain.attention.sinks import measurable, received
from ppi.explain.attention.view import KINDS, LayerView, Place

#: Size of a massive activation, in medians of the sizes of a unit's hidden state.
MASSIVE = 100.0


class SecondarySink(NamedTuple):
    """A row that is a sink of a layer, but not its strongest one.

    Attributes
    ----------
    row, kind
        The row, and the number of its kind.
    cosine
        Cosine of its hidden state with that of the strongest row.
    """

    row: int
    kind: int
    cosine: float


def secondary_sinks(view: LayerView, epsilon: float) -> list[SecondarySink]:
    """Return the rows that receive more than `epsilon` from some head, but the layer's strongest row.

    The strongest row, the primary sink, has the largest mean over the heads of what it receives. "On the
    Existence and Behaviour of Secondary Attention Sinks" (2025) describes such rows, and finds that their
    hidden states align with the direction of the primary sink of the layer. A unit that is too short has
    none.
    """
    if not measurable(view, epsilon):
        return []
    given = received(view)
    primary = primary_sink(view)
    rows = [row for row in (given.amax(dim=0) > epsilon).nonzero().flatten().tolist() if row != primary]
    cosines = torch.cosine_similarity(view.hidden[rows], view.hidden[primary].unsqueeze(0), dim=1).tolist()
    kinds = view.rows.kind[rows].tolist()
    return [SecondarySink(*each) for each in zip(rows, kinds, cosines, strict=True)]


def primary_sink(view: LayerView) -> int:
    """Return the row with the largest mean over the heads of the attention that it receives."""
    return int(received(view).mean(dim=0).argmax())


def massive_activations(hidden: Tensor) -> tuple[float, Tensor]:
    """Return the largest size of a hidden state and where sizes are massive, relative to the median size.

    Sun et al. 2024 ("Massive Activations in Large Language Models") call values massive that are a thousand
    times the median of models of billions of parameters; Kang et al. 2025 find sinks by such dimensions.
    Here it is `MASSIVE` times.

    Parameters
    ----------
    hidden
        ``(n, D)`` hidden state of a unit.

    Returns
    -------
    largest
        Largest size, in medians; 0 if the median is 0.
    massive
        ``(n, D)`` bool.
    """
    sizes = hidden.abs()
    median = sizes.median()
    if float(median) == 0:
        return 0.0, torch.zeros_like(sizes, dtype=torch.bool)
    return float(sizes.max() / median), sizes > MASSIVE * median


@dataclass
class _Layer:
    units: int = 0
    primary: Counter[int] = field(default_factory=Counter)
    found: list[SecondarySink] = field(default_factory=list)
    with_secondary: int = 0
    lifetimes: list[int] = field(default_factory=list)
    largest: list[float] = field(default_factory=list)
    dimensions: Counter[int] = field(default_factory=Counter)
    massive: int = 0
    massive_in_sinks: int = 0


class LayerStatistics:
    """Collects what is known of each layer over units.

    Parameters
    ----------
    epsilon
        Threshold of sinks.
    """

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon
        self._layers: defaultdict[Place, _Layer] = defaultdict(_Layer)
        self._open: defaultdict[tuple[int, str, int, int], list[int]] = defaultdict(list)

    def see(self, view: LayerView) -> None:
        """Take over one layer and unit."""
        layer = self._layers[view.place]
        layer.units += 1
        layer.primary[int(view.rows.kind[primary_sink(view)])] += 1
        found = secondary_sinks(view, self.epsilon)
        layer.found += found
        layer.with_secondary += bool(found)
        for sink in found:
            self._open[(view.place.member, view.place.part, view.unit, sink.row)].append(view.place.layer)
        largest, massive = massive_activations(view.hidden)
        layer.largest.append(largest)
        layer.dimensions.update(massive.any(dim=0).nonzero().flatten().tolist())
        layer.massive += int(massive.sum())
        sinks = received(view).amax(dim=0) > self.epsilon
        layer.massive_in_sinks += int(massive[sinks].sum())

    def end_units(self) -> None:
        """Close the units that are observed together: the lifetimes of their sinks are now known."""
        for (member, part, _, _), layers in self._open.items():
            for first, lifetime in runs(layers):
                self._layers[Place(member, part, first)].lifetimes.append(lifetime)
        self._open.clear()

    def rows(self) -> list[dict[str, object]]:
        """Return one row per layer; see `ppi.explain.attention.result.LAYER_COLUMNS`."""
        return [{**place._asdict(), **_row(layer)} for place, layer in sorted(self._layers.items())]


def runs(layers: list[int]) -> list[tuple[int, int]]:
    """Return the first layer and the number of layers of each run of consecutive layers."""
    numbered = enumerate(sorted(layers))
    grouped = (list(run) for _, run in groupby(numbered, key=lambda pair: pair[1] - pair[0]))
    return [(run[0][1], len(run)) for run in grouped]


def _row(layer: _Layer) -> dict[str, object]:
    count = len(layer.found)
    return {
        "units": layer.units,
        "primary_kind": KINDS[layer.primary.most_common(1)[0][0]],
        "secondary_rate": layer.with_secondary / layer.units,
        "secondary_per_unit": count / layer.units,
        "secondary_in_residues": sum(sink.kind != 0 for sink in layer.found) / count if count else None,
        "secondary_cosine": sum(sink.cosine for sink in layer.found) / count if count else None,
        "secondary_beginning": len(layer.lifetimes) / layer.units,
        "secondary_lifetime": sum(layer.lifetimes) / len(layer.lifetimes) if layer.lifetimes else None,
        "largest_activation": sum(layer.largest) / layer.units,
        "massive_dimensions": [
            dimension for dimension, units in sorted(layer.dimensions.items()) if 2 * units >= layer.units
        ],
        "massive_in_sinks": layer.massive_in_sinks / layer.massive if layer.massive else None,
    }
