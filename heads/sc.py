"""SC, sequences concatenation: ligand and receptor are encoded as one sequence."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from heads.base import Head
from heads.mixers.base import MakeMixer
from heads.poolings.base import MakePooling
from heads.ragged import RaggedBatch, segment_mean


class SequencesConcatenation(Head):
    """Pool the joint sequence, then one linear layer (arXiv 2505.20036, SC).

    Parameters
    ----------
    dim, make_mixer, make_pooling, options
        See `Head`. There is one sequence, so `mixer_per_side` is not possible. A symmetric head takes the
        mean over two units of a complex, one in each order of the sides.
    """

    encoding_unit = "complex"
    read_out_parts = ("regressor",)
    chain_order_invariant = False

    def __init__(self, dim: int, make_mixer: MakeMixer, make_pooling: MakePooling, **options: Any) -> None:
        super().__init__(dim, make_mixer, make_pooling, **options)
        if self.receptor_mixer is not None:
            raise ValueError(
                "the head sc reads both sides as one sequence, so mixer_per_side is not possible; leave it "
                "off"
            )
        self.pooling = self.pooling_of_residues(dim)
        self.regressor = nn.Linear(self.pooling.dim, self.outputs)

    @property
    def both_orders(self) -> bool:
        return self.symmetric

    def score(self, batch: RaggedBatch) -> Tensor:
        # The last layer is linear: the mean of its outputs is its output for the mean.
        return self.regressor(self.pooled(batch).squeeze(1))

    def pooled(self, batch: RaggedBatch) -> Tensor:
        vectors = self.pooling(batch.values, batch.units)
        if self.both_orders:
            vectors = segment_mean(vectors, batch.units_of_complexes)
        return vectors.unsqueeze(1)

    def residue_weights(self, batch: RaggedBatch) -> Tensor:
        return self.pooling.weights(batch.values, batch.units)

    def _pooled_alike(self) -> bool:
        return False

    def _sides_alike(self) -> bool:
        return False
