"""PAD, pooled attention addition: each side attends the other before it is pooled."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from heads.attention import ragged_attention
from heads.base import Head, two_layers
from heads.kernels.cross_attention import cross_attention
from heads.kernels.dispatch import BackendName, resolve_backend
from heads.ragged import RECEPTOR, RaggedBatch, segment_ids
from heads.registry import MixerName, PoolingName


class Projections(nn.Module):
    """Projections of multi-head attention, without bias."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)


class PooledAttentionAddition(Head):
    """Cross-attention both ways with residual, pool each side, add them (arXiv 2505.20036, PAD).

    Parameters
    ----------
    dim, mixer, pooling, options
        See `Head`.
    heads
        Of the attention.
    backend
        Which kernel attends; see `heads.kernels.dispatch.resolve_backend`.
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
        backend: BackendName = "auto",
        separate_directions: bool = False,
        network: bool = True,
        network_width: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(dim, mixer, pooling, **options)
        if dim % heads:
            raise ValueError(f"width {dim} must be a multiple of {heads} attention heads")
        self.heads, self.separate_directions, self.backend = heads, separate_directions, backend
        self.attention = Projections(dim)
        if separate_directions:
            self.receptor_attention = Projections(dim)
        self.pooling = self._make_pooling(dim)
        width = self.pooling.dim
        self.network = two_layers(width, width, network_width) if network else nn.Identity()
        self.regressor = nn.Linear(width, self.outputs)

    def score(self, batch: RaggedBatch) -> Tensor:
        offsets, values = batch.side_offsets, batch.values
        ahead, back = self.attention, self._back
        # The ligand's queries meet the receptor's keys and values, and the other way round.
        attended = cross_attention(
            self._of_sides(ahead.query, back.query, values, offsets),
            self._of_sides(back.key, ahead.key, values, offsets),
            self._of_sides(back.value, ahead.value, values, offsets),
            offsets,
            self.heads,
            resolve_backend(self.backend, values.device),
        )
        sides = self.pooling(values + self._of_sides(ahead.out, back.out, attended, offsets), offsets)
        return self.regressor(self.network(sides.unflatten(0, (len(batch), 2)).sum(dim=1)))

    @property
    def _back(self) -> Projections:
        """Projections with which the receptor attends the ligand."""
        return self.receptor_attention if self.separate_directions else self.attention

    def _of_sides(self, ligand: nn.Linear, receptor: nn.Linear, values: Tensor, offsets: Tensor) -> Tensor:
        """Project the rows of each side with its own layer."""
        if ligand is receptor:
            return ligand(values)
        of_receptor = (segment_ids(offsets) % 2 == RECEPTOR).unsqueeze(1)
        return torch.where(of_receptor, receptor(values), ligand(values))

    def pair_scores(self, ligands: RaggedBatch, receptors: RaggedBatch) -> Tensor:
        """Return ``(N, M)`` scores of mixed sides; see `heads.pairs.PairScoring`.

        Each side is projected once. A ligand then attends the receptors one by one, and all receptors
        together attend it in one product.
        """
        ahead, back, heads = self.attention, self._back, self.heads
        key, value = ahead.key(receptors.values), ahead.value(receptors.values)
        receptor_query, receptor_offsets = back.query(receptors.values), receptors.complex_offsets
        everyone = receptor_offsets[[0, -1]]
        rows = []
        for ligand in ligands.values.split(ligands.complex_offsets.diff().tolist()):
            count = len(receptors)
            copies = torch.arange(count + 1, device=ligand.device) * len(ligand)
            query = ahead.query(ligand).repeat(count, 1)
            found = ahead.out(ragged_attention(query, key, value, copies, receptor_offsets, heads))
            of_ligand = self.pooling(ligand.repeat(count, 1) + found, copies)
            found = ragged_attention(
                receptor_query, back.key(ligand), back.value(ligand), everyone, copies[:2], heads
            )
            of_receptors = self.pooling(receptors.values + back.out(found), receptor_offsets)
            rows.append(self.regressor(self.network(of_ligand + of_receptors))[:, :1].T)
        return torch.cat(rows)

    def _sides_alike(self) -> bool:
        return not self.separate_directions
