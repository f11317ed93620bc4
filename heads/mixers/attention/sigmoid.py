"""Sigmoid attention: weights that do not compete, so that no residue becomes a sink."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor, nn

from heads.about import About
from heads.kernels.dispatch import triton_takes
from heads.mixers.attention.base import Attention
from heads.mixers.attention.dense import attend_by_tiles, scores_of
from heads.ragged import Segments


class SigmoidAttention(Attention):
    """``sum_j sigmoid(q k_j / sqrt(d) + b - log n) v_j`` over a segment of ``n`` rows, ``b`` learned from 0.

    Source: Gu et al. 2024, "When Attention Sink Emerges in Language Models": without normalisation no sink
    emerges. At the start the weights of a row sum to about 1.
    """

    order_sensitive = False
    about = About(
        "Gu et al. 2024, When Attention Sink Emerges in Language Models",
        "n^2",
        "Weights without normalisation, so that no residue becomes an attention sink.",
    )

    def __init__(self, heads: int, width: int) -> None:
        super().__init__(heads, width)
        self.bias = nn.Parameter(torch.zeros(heads))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        if triton_takes(value, self.width):
            # Imported here, because its kernels need Triton.
            from heads.kernels.block_attention_triton import attend_segments

            biases = self.bias - segments.offsets.diff().log().unsqueeze(1)
            return attend_segments(query, key, value, segments, weighting="sigmoid", biases=biases)
        return attend_by_tiles(query, key, value, segments, self._weigh)

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor]:
        return [self._weigh(each, slice(None)) for each in scores_of(query, key, segments)]

    def _weigh(self, scores: Tensor, heads: slice) -> Tensor:
        bias = self.bias[heads].view(-1, 1, 1) - log(scores.shape[2])
        return scores.add_(bias.to(scores.dtype)).sigmoid_()
