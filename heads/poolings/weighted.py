"""Poolings with learnt weights: each row is scored, and a segment's rows are summed by weight."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from heads.kernels.pooling import attention_pool, attention_pool_linear
from heads.options import AtLeastOne
from heads.poolings.base import Pooling
from heads.ragged import Segments, segment_softmax


class WeightedPooling(Pooling):
    """A weighted sum of a segment's rows; the weights are the softmax of a score per row (and head)."""

    @abstractmethod
    def scores(self, values: Tensor) -> Tensor:
        """Return ``(T, H)`` scores, one for each of ``H`` heads, which pool their own columns."""

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        return attention_pool(values, self.scores(values), segments)

    def weights(self, values: Tensor, segments: Segments) -> Tensor:
        return segment_softmax(self.scores(values), segments).mean(dim=1)


class AttentionPooling(WeightedPooling):
    """Softmax over the segment of one linear score without bias (arXiv 2505.20036)."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.score = nn.Linear(dim, 1, bias=False)

    def scores(self, values: Tensor) -> Tensor:
        scores: Tensor = self.score(values)
        return scores

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        return attention_pool_linear(values, self.score.weight, segments)


class SigmoidPooling(WeightedPooling):
    """An average weighted by a gate, the sigmoid of one linear score (arXiv 2505.20036)."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.score = nn.Linear(dim, 1)

    def scores(self, values: Tensor) -> Tensor:
        # The softmax of the logarithms divides the gates by their sum, and is stable if all are near zero.
        return nn.functional.logsigmoid(self.score(values))


class GatedAttentionPooling(WeightedPooling):
    """Softmax of a gated score, ``w . (tanh(V x) * sigmoid(U x))`` (Ilse et al. 2018, equation 9).

    Parameters
    ----------
    dim
        Width of the rows.
    hidden
        Hidden width of the score; a quarter of `dim` by default.
    """

    def __init__(self, dim: int, hidden: AtLeastOne | None = None) -> None:
        super().__init__(dim)
        width = hidden or max(1, dim // 4)
        self.content = nn.Linear(dim, width)
        self.gate = nn.Linear(dim, width)
        self.score = nn.Linear(width, 1, bias=False)

    def scores(self, values: Tensor) -> Tensor:
        gated = torch.tanh(self.content(values)) * torch.sigmoid(self.gate(values))
        scores: Tensor = self.score(gated)
        return scores
