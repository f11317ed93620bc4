"""PAD, pooled attention addition: each side attends the other before it is pooled."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from heads.attention import ragged_attention
from heads.base import Head, two_layers
from heads.kernels.cross_attention import cross_attention
from heads.mixers.base import MakeMixer
from heads.options import AtLeastOne
from heads.poolings.base import MakePooling
from heads.ragged import RECEPTOR, RaggedBatch, Segments


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
    dim, make_mixer, make_pooling, options
        See `Head`.
    heads
        Of the attention.
    separate_directions
        Projections for the ligand that attends the receptor and others for the reverse, rather than one set.
    network, network_width
        Linear, SiLU, linear between the sum and the last linear layer, and the width inside it (that of the
        sum by default).

    Raises
    ------
    ValueError
        If `dim` is no multiple of `heads`.
    """

    encoding_unit = "side"
    chain_order_invariant = False

    def __init__(
        self,
        dim: int,
        make_mixer: MakeMixer,
        make_pooling: MakePooling,
        *,
        heads: AtLeastOne = 8,
        separate_directions: bool = False,
        network: bool = True,
        network_width: AtLeastOne | None = None,
        **options: Any,
    ) -> None:
        super().__init__(dim, make_mixer, make_pooling, **options)
        if dim % heads:
            raise ValueError(
                f"the width {dim} is no multiple of {heads} attention heads; choose a number of heads that "
                "divides it"
            )
        self.heads, self.separate_directions = heads, separate_directions
        self.attention = Projections(dim)
        if separate_directions:
            self.receptor_attention = Projections(dim)
        self.pooling = self.pooling_of_residues(dim)
        width = self.pooling.dim
        self.network = two_layers(width, width, network_width) if network else nn.Identity()
        self.regressor = nn.Linear(width, self.outputs)

    def score(self, batch: RaggedBatch) -> Tensor:
        return self.regressor(self.network(self.pooled(batch).sum(dim=1)))

    def pooled(self, batch: RaggedBatch) -> Tensor:
        segments, values = batch.sides, batch.values
        ahead, back = self.attention, self._back
        # The ligand's queries meet the receptor's keys and values, and the other way round.
        attended = cross_attention(
            self._of_sides(ahead.query, back.query, values, segments),
            self._of_sides(back.key, ahead.key, values, segments),
            self._of_sides(back.value, ahead.value, values, segments),
            segments,
            self.heads,
        )
        sides = self.pooling(values + self._of_sides(ahead.out, back.out, attended, segments), segments)
        return sides.unflatten(0, (len(batch), 2))

    @property
    def _back(self) -> Projections:
        """Projections with which the receptor attends the ligand."""
        return self.receptor_attention if self.separate_directions else self.attention

    def _of_sides(self, ligand: nn.Linear, receptor: nn.Linear, values: Tensor, sides: Segments) -> Tensor:
        """Project the rows of each side with its own layer."""
        if ligand is receptor:
            return ligand(values)
        of_receptor = (sides.ids % 2 == RECEPTOR).unsqueeze(1)
        return torch.where(of_receptor, receptor(values), ligand(values))

    def pair_scores(self, ligands: RaggedBatch, receptors: RaggedBatch) -> Tensor:
        """Return ``(N, M)`` scores of mixed sides; see `heads.pairs.PairScoring`.

        Each side is projected once. A ligand then attends the receptors one by one, and all receptors
        together attend it in one product.
        """
        ahead, back, device = self.attention, self._back, receptors.values.device
        key, value = self._by_head(ahead.key(receptors.values)), self._by_head(ahead.value(receptors.values))
        receptor_query = self._by_head(back.query(receptors.values))
        everyone = Segments.from_lengths([receptors.complexes.rows], device)
        rows = []
        for ligand in ligands.values.split(ligands.complexes.lengths):
            count = len(receptors)
            copies = Segments.from_lengths([len(ligand)] * count, device)
            query = self._by_head(ahead.query(ligand)).repeat(count, 1, 1)
            found = ragged_attention(query, key, value, copies, receptors.complexes)
            of_ligand = self.pooling(ligand.repeat(count, 1) + ahead.out(found.flatten(1)), copies)
            of_this = self._by_head(back.key(ligand)), self._by_head(back.value(ligand))
            alone = Segments.from_lengths([len(ligand)], device)
            found = ragged_attention(receptor_query, *of_this, everyone, alone)
            of_receptors = self.pooling(receptors.values + back.out(found.flatten(1)), receptors.complexes)
            rows.append(self.regressor(self.network(of_ligand + of_receptors))[:, :1].T)
        return torch.cat(rows)

    def _by_head(self, rows: Tensor) -> Tensor:
        """``(T, H * E)`` to ``(T, H, E)``."""
        return rows.unflatten(1, (self.heads, -1))

    def _pooled_alike(self) -> bool:
        return not self.separate_directions

    def _sides_alike(self) -> bool:
        return not self.separate_directions
