"""EC, embeddings concatenation: the sides are encoded separately and their residues pooled together."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from heads.base import Head, two_layers
from heads.mixers.base import MakeMixer
from heads.pairs import PairNetwork, weights_of_sides
from heads.poolings.base import MakePooling
from heads.ragged import RaggedBatch


class EmbeddingsConcatenation(Head):
    """Pool both sides, then linear, SiLU, linear (arXiv 2505.20036, EC).

    Parameters
    ----------
    dim, make_mixer, make_pooling, options
        See `Head`.
    late
        Pool each side and join the two vectors, instead of pooling the residues of both sides together.
    """

    encoding_unit = "side"
    read_out_parts = ("regressor",)
    chain_order_invariant = False

    def __init__(
        self,
        dim: int,
        make_mixer: MakeMixer,
        make_pooling: MakePooling,
        *,
        late: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(dim, make_mixer, make_pooling, **options)
        self.late = late
        self.pooling = self.pooling_of_residues(dim)
        self.regressor = two_layers(self.pooling.dim * (2 if late else 1), self.outputs)

    def score(self, batch: RaggedBatch) -> Tensor:
        if not self.late:
            return self.regressor(self.pooling(batch.values, batch.complexes))
        return self.regressor(self.pooled(batch).flatten(1))

    def pooled(self, batch: RaggedBatch) -> Tensor:
        return self.pooling(batch.values, batch.sides).unflatten(0, (len(batch), 2))

    def residue_weights(self, batch: RaggedBatch) -> Tensor:
        return self.pooling.weights(batch.values, batch.sides if self.late else batch.complexes)

    def side_vectors(self, sides: RaggedBatch, role: int) -> Tensor:
        """Return ``(N, D)`` vectors of sides, each given as a complex."""
        return self.pooling(sides.values, sides.complexes)

    def pair_network(self) -> PairNetwork | None:
        """Return the network after the vectors of the sides; None if all residues are pooled together."""
        if not self.late:
            return None
        layers = self.regressor
        assert isinstance(layers, nn.Sequential)
        first, second = layers[0], layers[2]
        assert isinstance(first, nn.Linear)
        assert isinstance(second, nn.Linear)
        ligand, receptor = weights_of_sides(first.weight, joined=True)
        return PairNetwork(ligand, receptor, first.bias, second.weight[0], second.bias[:1], activation=True)

    def _pooled_alike(self) -> bool:
        return True

    def _sides_alike(self) -> bool:
        # Where the order of rows matters, a joint pool begins with the ligand.
        return not self.late and not self.pooling.order_sensitive
