"""Softmax attention, the baseline of all variants."""

from __future__ import annotations

from torch import Tensor

from heads.about import About
from heads.attention import ragged_attention
from heads.mixers.attention.base import Attention
from heads.mixers.attention.dense import scores_of
from heads.ragged import Segments


class SoftmaxAttention(Attention):
    """``softmax(q k / sqrt(d)) v`` over the segment (Vaswani et al. 2017, "Attention Is All You Need")."""

    order_sensitive = False
    about = About(
        "Vaswani et al. 2017, Attention Is All You Need",
        "n^2",
        "The baseline: each residue attends all residues of the segment.",
    )

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        return ragged_attention(query, key, value, segments, segments)

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor]:
        return [each.softmax(dim=2) for each in scores_of(query, key, segments)]
