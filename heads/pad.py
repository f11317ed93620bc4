"""PAD, pooled attention addition: each side attends the other before it is pooled."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from heads.attention import ragged_attention
from heads.base import Head, two_layers
from heads.ragged import RaggedBatch
from heads.registry import POOLINGS, MixerName, PoolingName, find


class PooledAttentionAddition(Head):
    """Cross-attention both ways with residual, pool each side, add them (arXiv 2505.20036, PAD).

    One set of projections (8 heads, no bias) serves both directions.
    """

    encoding_unit = "side"
    swap_invariant = True
    chain_order_invariant = False
    heads = 8

    def __init__(self, dim: int, mixer: MixerName = "convbert", pooling: PoolingName = "attention") -> None:
        super().__init__(dim, mixer)
        if dim % self.heads:
            raise ValueError(f"width {dim} must be a multiple of {self.heads} attention heads")
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.pooling = find(POOLINGS, pooling)(dim)
        self.network = two_layers(dim, dim)
        self.regressor = nn.Linear(dim, 1)

    def score(self, batch: RaggedBatch) -> Tensor:
        offsets, values = batch.side_offsets, batch.values
        partner_rows, partner_offsets = swap_sides(offsets)
        partner = values[partner_rows]
        attended = ragged_attention(
            self.query(values),
            self.key(partner),
            self.value(partner),
            offsets,
            partner_offsets,
            self.heads,
        )
        sides = self.pooling(values + self.out(attended), offsets)
        return self.regressor(self.network(sides.view(len(batch), 2, -1).sum(dim=1)))


def swap_sides(side_offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Exchange the ligand and the receptor segment of each complex.

    Parameters
    ----------
    side_offsets
        ``(2 B + 1,)`` offsets of ligand, receptor, ligand, ...

    Returns
    -------
    rows
        ``(T,)``; ``values[rows]`` holds receptor, ligand, receptor, ...
    offsets
        ``(2 B + 1,)`` offsets of the segments of ``values[rows]``.
    """
    lengths = side_offsets.diff().view(-1, 2).flip(1).flatten()
    starts = side_offsets[:-1].view(-1, 2).flip(1).flatten()
    offsets = torch.cat([side_offsets[:1], lengths.cumsum(0)])
    shift = torch.repeat_interleave(starts - offsets[:-1], lengths)
    return torch.arange(shift.numel(), device=shift.device) + shift, offsets
