"""The measures of a head, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ppi.explain.attention.heterogeneity import heterogeneity
from ppi.explain.attention.reach import (
    DISTANT,
    WINDOW,
    across_chains,
    across_sides,
    distance,
    distant_influence,
    distant_share,
    windowed_distance,
)
from ppi.explain.attention.sinks import largest_received, sink_rate
from ppi.explain.attention.view import KINDS, LayerView


class Measure(NamedTuple):
    """A measure of the heads of a layer.

    Attributes
    ----------
    text
        What it is.
    of
        Function that returns ``(H,)`` for a unit, NaN where the unit has none, from the view and the
        threshold of sinks.
    of_weights
        Whether it depends on the weights alone, so that uniform attention gives a value to compare with.
    """

    text: str
    of: Callable[[LayerView, float], Tensor]
    of_weights: bool = True


def _plain(function: Callable[[LayerView], Tensor]) -> Callable[[LayerView, float], Tensor]:
    return lambda view, _epsilon: function(view)


MEASURES = {
    "sink_rate": Measure("fraction of units with a sink: a row that receives more than epsilon", sink_rate),
    **{
        f"sink_{name.replace(' ', '_')}": Measure(
            f"fraction of units with a sink that is a row of the kind '{name}'", partial(sink_rate, kind=kind)
        )
        for kind, name in enumerate(KINDS)
    },
    "largest_received": Measure("largest mean attention that a row receives, 0 to 1", largest_received),
    "distance": Measure("mean distance of attention within a chain, in residues", _plain(distance)),
    "windowed_distance": Measure(
        f"the same, where a distance of more than {WINDOW} residues counts as {WINDOW}",
        _plain(windowed_distance),
    ),
    "distant_share": Measure(
        f"fraction of the attention within chains that spans {DISTANT} residues or more",
        _plain(distant_share),
    ),
    "distant_influence": Measure(
        f"attention that the most influential residue receives from {DISTANT} residues or more away, "
        "relative to "
        "uniform attention",
        _plain(distant_influence),
    ),
    "across_chains": Measure(
        "fraction of the attention between residues that goes to another chain", _plain(across_chains)
    ),
    "across_sides": Measure(
        "fraction of the attention between residues that goes to the other side", _plain(across_sides)
    ),
    "heterogeneity": Measure(
        "distance of the head's mean output from the centre of its layer, relative to the mean size "
        "of outputs",
        _plain(heterogeneity),
        of_weights=False,
    ),
}


def uniform(view: LayerView) -> LayerView:
    """Return the view with one head whose attention is uniform."""
    rows = view.weights.shape[2]
    return view._replace(weights=torch.full_like(view.weights[:1], 1 / rows), outputs=view.outputs[:, :1])
