"""Pooling: the residues of a segment become one vector."""

from __future__ import annotations

from torch import Tensor, nn

from heads.ragged import segment_mean, segment_softmax, segment_sum


class MeanPooling(nn.Module):
    """The average of a segment's rows."""

    def __init__(self, dim: int) -> None:
        super().__init__()

    def forward(self, values: Tensor, offsets: Tensor) -> Tensor:
        """Pool ``(T, D)`` to ``(S, D)``."""
        return segment_mean(values, offsets)


class AttentionPooling(nn.Module):
    """A weighted sum; the weights are a softmax over the segment of one linear score without bias."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.score = nn.Linear(dim, 1, bias=False)

    def forward(self, values: Tensor, offsets: Tensor) -> Tensor:
        """Pool ``(T, D)`` to ``(S, D)``."""
        return segment_sum(values * self.weights(values, offsets).unsqueeze(1), offsets)

    def weights(self, values: Tensor, offsets: Tensor) -> Tensor:
        """Return ``(T,)`` weights that sum to 1 over each segment."""
        return segment_softmax(self.score(values).squeeze(1), offsets)
