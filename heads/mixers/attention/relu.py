"""ReLU attention: scores that are cut at zero instead of normalised."""

from __future__ import annotations

from torch import Tensor

from heads.about import About
from heads.kernels.dispatch import triton_takes
from heads.mixers.attention.base import Attention
from heads.mixers.attention.dense import attend_by_tiles, scores_of
from heads.mixers.attention.uniform import DECONSTRUCTING
from heads.ragged import Segments


class ReluAttention(Attention):
    """``relu(q k / sqrt(d)) v / n`` over a segment of ``n`` rows.

    Source: Xue et al. 2025, "Deconstructing Attention" (another form than softmax).
    """

    order_sensitive = False
    about = About(
        DECONSTRUCTING,
        "n^2",
        "Control: dot products cut at zero instead of softmax, so that a residue can attend nothing.",
    )

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        shares = value / segments.offsets.diff()[segments.ids].view(-1, 1, 1)
        if triton_takes(value, self.width):
            # Imported here, because its kernels need Triton.
            from heads.kernels.block_attention_triton import attend_segments

            return attend_segments(query, key, shares.to(value.dtype), segments, weighting="relu")
        return attend_by_tiles(query, key, shares.to(value.dtype), segments, _relu)

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor]:
        return [each.relu() / each.shape[2] for each in scores_of(query, key, segments)]


def _relu(scores: Tensor, heads: slice) -> Tensor:
    return scores.relu_()
