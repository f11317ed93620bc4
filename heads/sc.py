"""SC, sequences concatenation: ligand and receptor are encoded as one sequence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from heads.base import Head
from heads.ragged import RaggedBatch, segment_mean
from heads.registry import MixerName, PoolingName


class SequencesConcatenation(Head):
    """Pool the joint sequence, then one linear layer (arXiv 2505.20036, SC).

    Parameters
    ----------
    dim, mixer, pooling, options
        See `Head`. There is one sequence, so no mixer for each side. What is symmetric takes the mean over
        two units of a complex, one in each order of the sides.
    """

    encoding_unit = "complex"
    chain_order_invariant = False

    def __init__(
        self, dim: int, mixer: MixerName = "convbert", pooling: PoolingName = "attention", **options: Any
    ) -> None:
        super().__init__(dim, mixer, pooling, **options)
        if self.mixer_per_side:
            raise ValueError("sc reads both sides as one sequence: mixer_per_side is not possible")
        self.pooling = self._make_pooling(dim)
        self.regressor = nn.Linear(self.pooling.dim, self.outputs)

    @property
    def both_orders(self) -> bool:
        return self.symmetric

    def score(self, batch: RaggedBatch) -> Tensor:
        scores = self.regressor(self.pooling(batch.values, batch.unit_offsets))
        if not self.both_orders:
            return scores
        return segment_mean(scores, torch.searchsorted(batch.unit_offsets, batch.complex_offsets))

    def _sides_alike(self) -> bool:
        return False
