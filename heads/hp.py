"""HP, hierarchical pooling: residues to chains, chains to sides, sides to the complex."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn

from heads.base import Head, two_layers
from heads.mixers.base import MakeMixer
from heads.names import POOLINGS
from heads.options import ChosenPart
from heads.pairs import PairNetwork, weights_of_sides
from heads.poolings.base import MakePooling, Pooling
from heads.ragged import LIGAND, RECEPTOR, RaggedBatch, Segments

Aggregation = Literal["concat", "add", "mean"]


class HierarchicalPooling(Head):
    """Pool each chain, pool the chains of each side, join the sides (arXiv 2505.20036, HP).

    Parameters
    ----------
    dim, make_mixer, make_pooling, options
        See `Head`; `make_pooling` makes the pooling over a chain's residues.
    make_side_pooling
        Function that makes the pooling over a side's chains, chosen by the options ``side_pooling`` (its
        name) and ``side_pooling_options``. By default, `heads.build.build_head` uses the pooling of the
        residues with its default options. It uses attention if that pooling depends on the order of residues
        or requires options, and mean if it does not suit a few chains.
    per_side
        Use separate poolings for the ligand and the receptor instead of the same for both.
    aggregation
        How the vectors of the sides are joined.
    network
        Whether linear, SiLU, linear lie between the joined vector and the last linear layer.
    """

    encoding_unit = "chain"

    def __init__(
        self,
        dim: int,
        make_mixer: MakeMixer,
        make_pooling: MakePooling,
        *,
        make_side_pooling: Annotated[MakePooling, ChosenPart(POOLINGS, "attention")],
        per_side: bool = False,
        aggregation: Aggregation = "concat",
        network: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(dim, make_mixer, make_pooling, **options)
        self.per_side, self.aggregation = per_side, aggregation
        self.chain_pooling = self.pooling_of_residues(dim)
        self.side_pooling = make_side_pooling(self.chain_pooling.dim)
        width = self.side_pooling.dim
        if per_side:
            self.receptor_chain_pooling = self.pooling_of_residues(dim)
            self.receptor_side_pooling = make_side_pooling(self.chain_pooling.dim)
        joined = 2 * width if aggregation == "concat" else width
        self.network = two_layers(joined, joined) if network else nn.Identity()
        self.regressor = nn.Linear(joined, self.outputs)

    @property
    def chain_order_invariant(self) -> bool:
        return not self.side_pooling.order_sensitive

    def score(self, batch: RaggedBatch) -> Tensor:
        return self.regressor(self.network(self._joined(self.pooled(batch))))

    def side_vectors(self, sides: RaggedBatch, role: int) -> Tensor:
        """Return ``(N, D)`` vectors of sides, each given as a complex."""
        return self._pooled(sides, sides.units_of_complexes, role)

    def pair_network(self) -> PairNetwork:
        """Return the network after the vectors of the sides, for all pairs of them."""
        last, network = self.regressor, self.network
        assert isinstance(last, nn.Linear)
        scale = 0.5 if self.aggregation == "mean" else 1.0
        joined = self.aggregation == "concat"
        if isinstance(network, nn.Identity):
            ligand, receptor = (part * scale for part in weights_of_sides(last.weight[:1], joined=joined))
            zero, one = last.weight.new_zeros(1), last.weight.new_ones(1)
            return PairNetwork(ligand, receptor, zero, one, last.bias[:1], activation=False)
        first, second = network[0], network[2]
        assert isinstance(first, nn.Linear)
        assert isinstance(second, nn.Linear)
        ligand, receptor = (part * scale for part in weights_of_sides(first.weight, joined=joined))
        # There is no activation between the second layer of the network and the last one, so they are merged.
        out, bias = last.weight[0] @ second.weight, last.weight[0] @ second.bias + last.bias[:1]
        return PairNetwork(ligand, receptor, first.bias, out, bias, activation=True)

    def pooled(self, batch: RaggedBatch) -> Tensor:
        sides = self._pooled(batch, batch.units_of_sides, LIGAND).unflatten(0, (len(batch), 2))
        if self.per_side:
            others = self._pooled(batch, batch.units_of_sides, RECEPTOR).unflatten(0, (len(batch), 2))
            sides = torch.stack([sides[:, 0], others[:, 1]], dim=1)
        return sides

    def residue_weights(self, batch: RaggedBatch) -> Tensor:
        weights = self._weights(batch, LIGAND)
        if self.per_side:
            weights = torch.where(batch.sides.ids % 2 == RECEPTOR, self._weights(batch, RECEPTOR), weights)
        return weights

    def _weights(self, batch: RaggedBatch, role: int) -> Tensor:
        """Return the weight of each residue in its chain, times that of the chain in its side."""
        chain_pooling, side_pooling = self._poolings(role)
        chains = chain_pooling(batch.values, batch.units)
        of_chains = side_pooling.weights(chains, batch.units_of_sides)
        return chain_pooling.weights(batch.values, batch.units) * of_chains[batch.units.ids]

    def _pooled(self, batch: RaggedBatch, units_of_sides: Segments, role: int) -> Tensor:
        chain_pooling, side_pooling = self._poolings(role)
        vectors: Tensor = side_pooling(chain_pooling(batch.values, batch.units), units_of_sides)
        return vectors

    def _poolings(self, role: int) -> tuple[Pooling, Pooling]:
        """Return the poolings of residues and of chains for a side in this role."""
        if self.per_side and role == RECEPTOR:
            return self.receptor_chain_pooling, self.receptor_side_pooling
        return self.chain_pooling, self.side_pooling

    def _joined(self, sides: Tensor) -> Tensor:
        if self.aggregation == "concat":
            return sides.flatten(1)
        return sides.sum(dim=1) if self.aggregation == "add" else sides.mean(dim=1)

    def _pooled_alike(self) -> bool:
        poolings = (self.chain_pooling, self.side_pooling)
        # Poolings that learn nothing are alike, however many there are.
        return not (self.per_side and any(True for part in poolings for _ in part.parameters()))

    def _sides_alike(self) -> bool:
        return self.aggregation != "concat" and self._pooled_alike()
