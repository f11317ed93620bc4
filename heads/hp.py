"""HP, hierarchical pooling: residues to chains, chains to sides, sides to the complex."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from heads.base import Head, two_layers
from heads.ragged import RaggedBatch
from heads.registry import POOLINGS, MixerName, PoolingName, find


class HierarchicalPooling(Head):
    """Pool each chain, pool the chains of each side, join the sides (arXiv 2505.20036, HP)."""

    encoding_unit = "chain"
    swap_invariant = False
    chain_order_invariant = True

    def __init__(self, dim: int, mixer: MixerName = "convbert", pooling: PoolingName = "attention") -> None:
        super().__init__(dim, mixer)
        self.chain_pooling = find(POOLINGS, pooling)(dim)
        self.side_pooling = find(POOLINGS, pooling)(dim)
        self.network = two_layers(2 * dim, 2 * dim)
        self.regressor = nn.Linear(2 * dim, 1)

    def score(self, batch: RaggedBatch) -> Tensor:
        chains = self.chain_pooling(batch.values, batch.unit_offsets)
        chains_before = torch.searchsorted(batch.unit_offsets, batch.side_offsets)
        sides = self.side_pooling(chains, chains_before)
        return self.regressor(self.network(sides.reshape(len(batch), -1)))
