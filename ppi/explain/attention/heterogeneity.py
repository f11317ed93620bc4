"""How much the output of a head differs from that of its layer."""

from __future__ import annotations

from torch import Tensor

from ppi.explain.attention.view import LayerView


def heterogeneity(view: LayerView) -> Tensor:
    """Return ``(H,)``: the distance of each head's mean output from the centre of its layer.

    ``|o_h - c| / mean_h |o_h|`` for the mean output ``o_h`` of a head over the rows of a unit, and the mean
    ``c`` of these over the heads: the semantic vectors and the semantic centre of Task-KV (2025), whose
    heterogeneous heads are those far from the centre. The division makes layers comparable.
    """
    means = view.outputs.mean(dim=0)
    sizes = means.norm(dim=1).mean().clamp(min=1e-12)
    return (means - means.mean(dim=0)).norm(dim=1) / sizes
