"""The result of a diagnosis, as tables and as JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ppi.explain.attention.measures import MEASURES
from ppi.explain.attention.overlap import Overlap
from ppi.explain.attention.secondary import MASSIVE

#: Columns that name a layer.
PLACE = {
    "member": "member of the ensemble, from 1; 1 for a language model",
    "part": "backbone, mixer or receptor mixer; with the number of the expert, from 0, in a mixture",
    "layer": "layer or block, from 0",
}
#: Columns of the table of heads; each measure is a mean over units.
HEAD_COLUMNS = {
    **PLACE,
    "head": "head, from 0",
    **{name: measure.text for name, measure in MEASURES.items()},
    "importance": "effect of switching the head off; the summary says of what",
    "rmse_change": "change of the RMSE of the predicted pKd if the head is switched off, where pKd is known",
}
#: Columns of the table of layers.
LAYER_COLUMNS = {
    **PLACE,
    "units": "number of units",
    "primary_kind": "what the row with the most attention (mean over the heads) is in most units",
    "secondary_rate": "fraction of units with a secondary sink: another row that receives more than epsilon",
    "secondary_per_unit": "number of secondary sinks per unit",
    "secondary_in_residues": "fraction of the secondary sinks that are residues",
    "secondary_cosine": "mean cosine of their hidden states with that of the strongest row",
    "secondary_beginning": "number of secondary sinks per unit that begin in this layer",
    "secondary_lifetime": "mean number of consecutive layers for which these remain",
    "largest_activation": "largest size in the input of the layer, in medians of the sizes; mean over units",
    "massive_dimensions": f"dimensions with a size over {MASSIVE:g} medians in half of the units or "
    "more, from 0",
    "massive_in_sinks": "fraction of these massive activations that are in rows which are sinks",
}
#: Fields of a diagnosis that are tables.
_TABLES = ("heads", "layers", "overlap")


@dataclass(frozen=True)
class AttentionDiagnosis:
    """What the heads of a model attend, and which of them matter.

    Attributes
    ----------
    source
        Name of the backbone or model.
    complexes, units
        Number of complexes, and of units whose attention is measured.
    encoding_unit
        What is encoded together: a chain, a side or a complex.
    epsilon
        Threshold of sinks.
    heads, layers
        One row per head and per layer; see `HEAD_COLUMNS` and `LAYER_COLUMNS`.
    references
        Each measure of the weights for uniform attention over the same units.
    importance
        What the column ``importance`` is, or why it is missing.
    baseline
        Loss or RMSE with all heads; None if it is unknown.
    overlap
        Overlap of the most important heads between classes; None without classes.
    """

    source: str
    complexes: int
    units: int
    encoding_unit: str
    epsilon: float
    heads: pd.DataFrame
    layers: pd.DataFrame
    references: dict[str, float]
    importance: str
    baseline: float | None
    overlap: Overlap | None

    def as_json(self) -> dict[str, Any]:
        """Return the result with numbers, texts, lists and None only."""
        found = {
            **{name: value for name, value in vars(self).items() if name not in _TABLES},
            "heads": self.heads.to_dict("records"),
            "layers": self.layers.to_dict("records"),
            "columns": {"heads": HEAD_COLUMNS, "layers": LAYER_COLUMNS},
            "overlap": None if self.overlap is None else _overlap_json(self.overlap),
        }
        cleaned: dict[str, Any] = _without_nan(found)
        return cleaned


def _overlap_json(found: Overlap) -> dict[str, Any]:
    return {**found._asdict(), "table": found.table.to_dict()}


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
