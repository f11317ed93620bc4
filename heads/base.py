"""What the four heads share: a mixer, a pooling, and the way from a batch to one number a complex."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from heads.ragged import RaggedBatch
from heads.registry import MIXERS, EncodingUnit, MixerName, find


class Head(nn.Module, ABC):
    """Everything after the backbone.

    Parameters
    ----------
    dim
        Width of the residue embeddings, ``D``.
    mixer
        Name in `heads.registry.MIXERS`.

    Attributes
    ----------
    encoding_unit
        What the backbone encodes in one go for this head.
    swap_invariant
        Whether exchanging ligand and receptor leaves the result unchanged.
    chain_order_invariant
        Whether the order of chains within a side leaves the result unchanged.
    """

    encoding_unit: ClassVar[EncodingUnit]
    swap_invariant: ClassVar[bool]
    chain_order_invariant: ClassVar[bool]

    def __init__(self, dim: int, mixer: MixerName) -> None:
        super().__init__()
        self.mixer = find(MIXERS, mixer)(dim)

    def forward(self, batch: RaggedBatch) -> Tensor:
        """Return ``(B,)`` scores, one a complex."""
        return self.score(batch.with_values(self.mixer(batch.values, batch.unit_offsets))).squeeze(1)

    @abstractmethod
    def score(self, batch: RaggedBatch) -> Tensor:
        """Return ``(B, 1)`` scores from mixed residue embeddings."""


def two_layers(dim_in: int, dim_out: int) -> nn.Sequential:
    """Linear, SiLU, linear; the hidden layer is as wide as the input."""
    return nn.Sequential(nn.Linear(dim_in, dim_in), nn.SiLU(), nn.Linear(dim_in, dim_out))
