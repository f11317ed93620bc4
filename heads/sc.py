"""SC, sequences concatenation: ligand and receptor are encoded as one sequence."""

from __future__ import annotations

from torch import Tensor, nn

from heads.base import Head
from heads.ragged import RaggedBatch
from heads.registry import POOLINGS, MixerName, PoolingName, find


class SequencesConcatenation(Head):
    """Pool the joint sequence, then one linear layer (arXiv 2505.20036, SC)."""

    encoding_unit = "complex"
    swap_invariant = False
    chain_order_invariant = False

    def __init__(self, dim: int, mixer: MixerName = "convbert", pooling: PoolingName = "attention") -> None:
        super().__init__(dim, mixer)
        self.pooling = find(POOLINGS, pooling)(dim)
        self.regressor = nn.Linear(dim, 1)

    def score(self, batch: RaggedBatch) -> Tensor:
        return self.regressor(self.pooling(batch.values, batch.complex_offsets))
