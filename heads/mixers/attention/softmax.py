"""Softmax attention, the baseline of all variants."""

from __future__ import annotations

from torch import Tensor

from heads.attention import ragged_attention
from heads.mixers.attention.base import Attention
from heads.ragged import Segments


class SoftmaxAttention(Attention):
    """``softmax(q k / sqrt(d)) v`` over the segment (Vaswani et al. 2017, "Attention Is All You Need")."""

    order_sensitive = False

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        return ragged_attention(query, key, value, segments, segments)

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor]:
        pairs = zip(query.split(segments.lengths), key.split(segments.lengths), strict=True)
        scores = [rows.transpose(0, 1) @ others.permute(1, 2, 0) for rows, others in pairs]
        return [(each * self.width**-0.5).softmax(dim=2) for each in scores]
