"""EC, embeddings concatenation: the sides are encoded apart and their residues pooled together."""

from __future__ import annotations

from torch import Tensor

from heads.base import Head, two_layers
from heads.ragged import RaggedBatch
from heads.registry import POOLINGS, MixerName, PoolingName, find


class EmbeddingsConcatenation(Head):
    """Join the residues of both sides, pool once, then linear, SiLU, linear (arXiv 2505.20036, EC)."""

    encoding_unit = "side"
    swap_invariant = True
    chain_order_invariant = False

    def __init__(self, dim: int, mixer: MixerName = "convbert", pooling: PoolingName = "attention") -> None:
        super().__init__(dim, mixer)
        self.pooling = find(POOLINGS, pooling)(dim)
        self.regressor = two_layers(dim, 1)

    def score(self, batch: RaggedBatch) -> Tensor:
        return self.regressor(self.pooling(batch.values, batch.complex_offsets))
