"""PAD, pooled attention addition: each side attends the other before it is pooled."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from heads.attention import ragged_attention
from heads.base import Head, two_layers
from heads.ragged import RECEPTOR, RaggedBatch, segment_ids
from heads.registry import MixerName, PoolingName


class CrossAttention(nn.Module):
    """Projections of multi-head attention from the residues of one side to those of the other, no bias."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(f"width {dim} must be a multiple of {heads} attention heads")
        self.heads = heads
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)

    def forward(self, values: Tensor, partner: Tensor, offsets: Tensor, partner_offsets: Tensor) -> Tensor:
        """Return ``(T, D)``: what each row of `values` finds in the same segment of `partner`."""
        key, value = self.key(partner), self.value(partner)
        return self.attend(self.query(values), key, value, offsets, partner_offsets)

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, offsets: Tensor, partner_offsets: Tensor
    ) -> Tensor:
        """Return the same from rows that were projected."""
        return self.out(ragged_attention(query, key, value, offsets, partner_offsets, self.heads))


class PooledAttentionAddition(Head):
    """Cross-attention both ways with residual, pool each side, add them (arXiv 2505.20036, PAD).

    Parameters
    ----------
    dim, mixer, pooling, options
        See `Head`.
    heads
        Of the attention.
    separate_directions
        Projections for the ligand that attends the receptor and others for the reverse, rather than one set.
    network, network_width
        Linear, SiLU, linear between the sum and the last linear layer, and the width inside it (that of the
        sum by default).
    """

    encoding_unit = "side"
    chain_order_invariant = False

    def __init__(
        self,
        dim: int,
        mixer: MixerName = "convbert",
        pooling: PoolingName = "attention",
        *,
        heads: int = 8,
        separate_directions: bool = False,
        network: bool = True,
        network_width: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(dim, mixer, pooling, **options)
        self.separate_directions = separate_directions
        self.attention = CrossAttention(dim, heads)
        if separate_directions:
            self.receptor_attention = CrossAttention(dim, heads)
        self.pooling = self._make_pooling(dim)
        width = self.pooling.dim
        self.network = two_layers(width, width, network_width) if network else nn.Identity()
        self.regressor = nn.Linear(width, 1)

    def score(self, batch: RaggedBatch) -> Tensor:
        offsets, values = batch.side_offsets, batch.values
        partner_rows, partner_offsets = swap_sides(offsets)
        partner = values[partner_rows]
        attended = self.attention(values, partner, offsets, partner_offsets)
        if self.separate_directions:
            of_receptor = (segment_ids(offsets) % 2 == RECEPTOR).unsqueeze(1)
            other = self.receptor_attention(values, partner, offsets, partner_offsets)
            attended = torch.where(of_receptor, other, attended)
        sides = self.pooling(values + attended, offsets)
        return self.regressor(self.network(sides.unflatten(0, (len(batch), 2)).sum(dim=1)))

    def pair_scores(self, ligands: RaggedBatch, receptors: RaggedBatch) -> Tensor:
        """Return ``(N, M)`` scores of mixed sides; see `heads.pairs.PairScoring`.

        Each side is projected once. A ligand then attends the receptors one by one, and all receptors
        together attend it in one product.
        """
        ahead = self.attention
        back = self.receptor_attention if self.separate_directions else self.attention
        key, value = ahead.key(receptors.values), ahead.value(receptors.values)
        receptor_query, receptor_offsets = back.query(receptors.values), receptors.complex_offsets
        everyone = receptor_offsets[[0, -1]]
        rows = []
        for ligand in ligands.values.split(ligands.complex_offsets.diff().tolist()):
            count = len(receptors)
            size = torch.arange(count + 1, device=ligand.device) * len(ligand)
            found = ahead.attend(ahead.query(ligand).repeat(count, 1), key, value, size, receptor_offsets)
            of_ligand = self.pooling(ligand.repeat(count, 1) + found, size)
            found = back.attend(receptor_query, back.key(ligand), back.value(ligand), everyone, size[:2])
            of_receptors = self.pooling(receptors.values + found, receptor_offsets)
            rows.append(self.regressor(self.network(of_ligand + of_receptors)).T)
        return torch.cat(rows)

    def _sides_alike(self) -> bool:
        return not self.separate_directions


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
