"""Pooling: the residues of a segment become one vector; what a pooling is, and those that learn nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from heads.ragged import segment_ids, segment_max, segment_mean, segment_sum


class Pooling(nn.Module, ABC):
    """From the rows of each segment to one vector.

    Parameters
    ----------
    dim
        Width of the rows, ``D``.

    Attributes
    ----------
    dim
        Width of the vectors, ``D'``.
    ordered
        Whether the order of a segment's rows matters.
    """

    ordered: bool = False

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    @abstractmethod
    def forward(self, values: Tensor, offsets: Tensor) -> Tensor:
        """Pool ``(T, D)`` to ``(S, D')``."""

    @abstractmethod
    def weights(self, values: Tensor, offsets: Tensor) -> Tensor:
        """Return ``(T,)``, the part of each row in its segment's vector; they sum to 1 over a segment."""


class MeanPooling(Pooling):
    """The average of a segment's rows."""

    def forward(self, values: Tensor, offsets: Tensor) -> Tensor:
        return segment_mean(values, offsets)

    def weights(self, values: Tensor, offsets: Tensor) -> Tensor:
        return (1 / offsets.diff())[segment_ids(offsets)].to(values.dtype)


class MaxPooling(Pooling):
    """The largest value of each column in a segment.

    The weight of a row is the part of the columns whose largest value it has; rows that tie share.
    """

    def forward(self, values: Tensor, offsets: Tensor) -> Tensor:
        return segment_max(values, offsets)

    def weights(self, values: Tensor, offsets: Tensor) -> Tensor:
        ids = segment_ids(offsets)
        reached = (values == segment_max(values, offsets)[ids]).to(values.dtype)
        return (reached / segment_sum(reached, offsets)[ids]).mean(dim=1)


class PoolingWithLength(Pooling):
    """Another pooling, and beside its vector the logarithm of the segment's length in hundreds of residues.

    An average forgets how many residues it was made of.

    Parameters
    ----------
    pooling
        Makes ``D'`` of the ``D' + 1`` columns.
    """

    def __init__(self, pooling: Pooling) -> None:
        super().__init__(pooling.dim + 1)
        self.pooling, self.ordered = pooling, pooling.ordered

    def forward(self, values: Tensor, offsets: Tensor) -> Tensor:
        pooled: Tensor = self.pooling(values, offsets)
        lengths = (offsets.diff() / 100).log().to(pooled.dtype)
        return torch.cat([pooled, lengths.unsqueeze(1)], dim=1)

    def weights(self, values: Tensor, offsets: Tensor) -> Tensor:
        return self.pooling.weights(values, offsets)
