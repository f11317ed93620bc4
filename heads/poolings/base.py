"""The base class of poolings, and a wrapper that appends the length of the segment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from heads.ragged import Segments


class Pooling(nn.Module, ABC):
    """Reduces the rows of each segment to one vector.

    Parameters
    ----------
    dim
        Width of the rows, ``D``.

    Attributes
    ----------
    dim
        Width of the vectors, ``D'``.
    order_sensitive
        Whether the order of a segment's rows matters.
    suits_chains
        Whether it also suits the few chains of a side.
    """

    order_sensitive: bool = False
    suits_chains: ClassVar[bool] = True

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    @abstractmethod
    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        """Pool ``(T, D)`` to ``(S, D')``."""

    @abstractmethod
    def weights(self, values: Tensor, segments: Segments) -> Tensor:
        """Return ``(T,)``, the weight of each row in its segment's vector; they sum to 1 over a segment."""


#: Function that makes a pooling of rows of a width ``D``.
MakePooling = Callable[[int], Pooling]


class PoolingWithLength(Pooling):
    """Another pooling whose vector is extended by the logarithm of the length in hundreds of residues.

    An average does not depend on the number of residues, so the length is added.

    Parameters
    ----------
    pooling
        Pooling that makes ``D'`` of the ``D' + 1`` columns.
    """

    def __init__(self, pooling: Pooling) -> None:
        super().__init__(pooling.dim + 1)
        self.pooling, self.order_sensitive = pooling, pooling.order_sensitive

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        pooled: Tensor = self.pooling(values, segments)
        lengths = (segments.offsets.diff() / 100).log().to(pooled.dtype)
        return torch.cat([pooled, lengths.unsqueeze(1)], dim=1)

    def weights(self, values: Tensor, segments: Segments) -> Tensor:
        return self.pooling.weights(values, segments)
