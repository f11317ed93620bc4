"""Uniform attention: a control that knows neither content nor order."""

from __future__ import annotations

from torch import Tensor

from heads.about import About
from heads.mixers.attention.base import Attention
from heads.ragged import Segments, segment_mean

#: The paper of the controls.
DECONSTRUCTING = "Xue et al. 2025, Deconstructing Attention"


class UniformAttention(Attention):
    """Averages the values of the segment (Xue et al. 2025, "Deconstructing Attention")."""

    order_sensitive = False
    about = About(
        DECONSTRUCTING,
        "n",
        "Control: the mean over the segment. Shows what mixing brings without any choice of residues.",
    )

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        return segment_mean(value.flatten(1), segments)[segments.ids].view_as(value)

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor]:
        return [query.new_full((self.heads, n, n), 1 / n) for n in segments.lengths]
