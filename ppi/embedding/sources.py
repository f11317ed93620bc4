"""Embedded units, wherever they lie, and the batches that are gathered from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from heads.ragged import RaggedBatch
from ppi.backbones.base import Unit
from ppi.embedding.engine import Embedded
from ppi.embedding.units import EncodedComplex, unit_length


class UnitEmbeddings(ABC):
    """Residue embeddings by unit."""

    @abstractmethod
    def rows(self, units: Sequence[Unit]) -> Tensor:
        """Return ``(T, D)`` float32: the rows of these units, one after another."""

    def gather(self, complexes: Sequence[EncodedComplex]) -> RaggedBatch:
        """Return the ragged batch of these complexes, in their order."""
        units = [unit for item in complexes for unit in item.units]
        lengths = [unit_length(unit) for unit in units]
        owners = [index for index, item in enumerate(complexes) for _ in item.units]
        return RaggedBatch(
            values=self.rows(units),
            unit_offsets=torch.tensor([0, *lengths]).cumsum(0),
            unit_complex=torch.tensor(owners),
            unit_role=torch.tensor([role for item in complexes for role in item.roles]),
        )


class EmbeddedUnits(UnitEmbeddings):
    """Embeddings of distinct units, in memory.

    Parameters
    ----------
    batches
        From `ppi.embedding.engine.embed_units`.
    """

    def __init__(self, batches: Iterable[Embedded]) -> None:
        self._values = {unit: values for batch in batches for unit, values in batch}

    def __len__(self) -> int:
        return len(self._values)

    def rows(self, units: Sequence[Unit]) -> Tensor:
        return torch.cat([self._values[unit] for unit in units]).float()
