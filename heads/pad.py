"""PAD, pooled attention addition: each side attends to the other before it is pooled."""

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
        Number of attention heads.
    separate_directions
        Use separate projections for the two directions (ligand to receptor, receptor to ligand) instead of
        one set.
    network, network_width
        Whether linear, SiLU, linear lie between the sum and the last linear layer, and the hidden width (by
        default that of the sum).

    Raises
    ------
    ValueError
        If `dim` is not a multiple of `heads`.
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
                f"the width {dim} is not a multiple of {heads} attention heads; choose a number of heads "
                "that divides it"
            )
        self.attention_heads, self.separate_directions = heads, separate_directions
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
        return self.pooling(self._attended(batch), batch.sides).unflatten(0, (len(batch), 2))

    def residue_weights(self, batch: RaggedBatch) -> Tensor:
        return self.pooling.weights(self._attended(batch), batch.sides)

    def attention_maps(self, batch: RaggedBatch) -> list[tuple[Tensor, Tensor]]:
        """Return, for each complex, how much the residues of each side attend to those of the other.

        Parameters
        ----------
        batch
            Mixed residue embeddings.

        Returns
        -------
        list of tuple
            ``(L, M)`` of the ligand's residues and ``(M, L)`` of the receptor's, each the mean over the
            attention heads; a row sums to 1.
        """
        query, key = (self._by_head(rows).split(batch.sides.lengths) for rows in self._queries_keys(batch))
        pairs = zip(query[::2], key[::2], query[1::2], key[1::2], strict=True)
        return [
            (_attention(query_l, key_r), _attention(query_r, key_l))
            for query_l, key_l, query_r, key_r in pairs
        ]

    def _attended(self, batch: RaggedBatch) -> Tensor:
        """Return residue embeddings plus the output of their attention to the other side."""
        segments, values = batch.sides, batch.values
        query, key = self._queries_keys(batch)
        value = self._of_sides(self._back.value, self.attention.value, values, segments)
        attended = cross_attention(query, key, value, segments, self.attention_heads)
        return values + self._of_sides(self.attention.out, self._back.out, attended, segments)

    def _queries_keys(self, batch: RaggedBatch) -> tuple[Tensor, Tensor]:
        """Return ``(T, D)`` queries and keys: the ligand's queries meet the receptor's keys, and the
        reverse.
        """
        ahead, back, segments, values = self.attention, self._back, batch.sides, batch.values
        query = self._of_sides(ahead.query, back.query, values, segments)
        return query, self._of_sides(back.key, ahead.key, values, segments)

    @property
    def _back(self) -> Projections:
        """Projections for the attention of the receptor to the ligand."""
        return self.receptor_attention if self.separate_directions else self.attention

    def _of_sides(self, ligand: nn.Linear, receptor: nn.Linear, values: Tensor, sides: Segments) -> Tensor:
        """Project the rows of each side with its own layer."""
        if ligand is receptor:
            return ligand(values)
        of_receptor = (sides.ids % 2 == RECEPTOR).unsqueeze(1)
        return torch.where(of_receptor, receptor(values), ligand(values))

    def pair_scores(self, ligands: RaggedBatch, receptors: RaggedBatch) -> Tensor:
        """Return ``(N, M)`` scores of mixed sides; see `heads.pairs.PairScoring`.

        Each side is projected once. A ligand then attends to the receptors one by one, and all receptors
        attend to it in one product.
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
        """Reshape ``(T, H * E)`` to ``(T, H, E)``."""
        return rows.unflatten(1, (self.attention_heads, -1))

    def _pooled_alike(self) -> bool:
        return not self.separate_directions

    def _sides_alike(self) -> bool:
        return not self.separate_directions


def _attention(query: Tensor, key: Tensor) -> Tensor:
    """Return ``(L, M)``, the attention weights of queries to keys, averaged over the heads."""
    scores = torch.einsum("lhe,mhe->hlm", query, key) / query.shape[2] ** 0.5
    return scores.softmax(dim=2).mean(dim=0)
