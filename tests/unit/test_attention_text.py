"""The first sentence of the summary of attention: what stands out."""

from __future__ import annotations

from math import nan

import pandas as pd
import pytest

from ppi.explain.attention.result import AttentionDiagnosis
from ppi.explain.attention.text import outstanding


@pytest.mark.parametrize(
    ("sink_rate", "across_sides", "activation", "shown"),
    [
        (0.1, nan, 50, "Here nothing stands out."),
        (0.1, 0.5, 50, "Here nothing stands out."),
        (0.6, nan, 50, "Here 1 of 2 heads have a sink."),
        (
            0.1,
            0.9,
            50,
            "Here layer 0 head 1 attends to the other side 3.0 times as much as uniform attention.",
        ),
        (0.6, 0.5, 150, "Here 1 of 2 heads have a sink, and there are massive activations (150 medians)."),
    ],
)
def test_what_stands_out_is_named(
    sink_rate: float, across_sides: float, activation: float, shown: str
) -> None:
    heads = pd.DataFrame({"member": 1, "part": "mixer", "layer": 0, "head": [0, 1]})
    heads = heads.assign(sink_rate=[0.0, sink_rate], across_chains=nan, across_sides=[0.1, across_sides])
    layers = pd.DataFrame({"largest_activation": [10, activation]})
    even = {"across_chains": nan, "across_sides": 0.3 if across_sides == across_sides else nan}
    found = AttentionDiagnosis("model", 1, 1, "complex", 0.3, heads, layers, even, "not measured", None, None)
    text = outstanding(found)
    assert text.endswith(shown)
    assert ("heads that attend to the other side" in text) == (across_sides == across_sides)
    assert "another chain" not in text  # It was not measured.
