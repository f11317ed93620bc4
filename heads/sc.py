"""SC, sequences concatenation: ligand and receptor are encoded as one sequence."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from heads.base import Head
from heads.ragged import RaggedBatch
from heads.registry import MixerName, PoolingName


class SequencesConcatenation(Head):
    """Pool the joint sequence, then one linear layer (arXiv 2505.20036, SC).

    Parameters
    ----------
    dim, mixer, pooling, options
        See `Head`. There is one sequence, so no mixer for each side; and the order of the sides is in what
        the backbone read, so no mean of both orders.
    """

    encoding_unit = "complex"
    chain_order_invariant = False

    def __init__(
        self, dim: int, mixer: MixerName = "convbert", pooling: PoolingName = "attention", **options: Any
    ) -> None:
        super().__init__(dim, mixer, pooling, **options)
        if self.mixer_per_side or self.symmetric:
            raise ValueError(
                "sc reads both sides as one sequence: neither mixer_per_side nor symmetric is possible"
            )
        self.pooling = self._make_pooling(dim)
        self.regressor = nn.Linear(self.pooling.dim, 1)

    def score(self, batch: RaggedBatch) -> Tensor:
        return self.regressor(self.pooling(batch.values, batch.complex_offsets))

    def _sides_alike(self) -> bool:
        return False
