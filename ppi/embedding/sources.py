"""Sources of embedded units, and the batches that are gathered from them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from heads.ragged import RaggedBatch
from ppi.backbones.base import Backbone, Unit
from ppi.embedding.here import Embedded
from ppi.embedding.units import EncodedComplex, unit_length


class UnitEmbeddings(ABC):
    """Residue embeddings by unit."""

    @abstractmethod
    def rows(self, units: Sequence[Unit]) -> Tensor:
        """Return ``(T, D)`` float32: the concatenated rows of these units."""

    def gather(self, complexes: Sequence[EncodedComplex]) -> RaggedBatch:
        """Return the ragged batch of these complexes, in their order."""
        units = [unit for item in complexes for unit in item.units]
        lengths = [unit_length(unit) for unit in units]
        owners = [index for index, item in enumerate(complexes) for _ in item.units]
        roles = [role for item in complexes for role in item.roles]
        chains = [each for item in complexes for each in item.chains]
        return RaggedBatch.from_units(self.rows(units), lengths, owners, roles, chains)


class EmbeddedUnits(UnitEmbeddings):
    """Embeddings of distinct units, in memory.

    Parameters
    ----------
    values
        ``(T, D)`` embeddings of each unit.
    """

    def __init__(self, values: Mapping[Unit, Tensor]) -> None:
        self._values = values

    @classmethod
    def collect(cls, batches: Iterable[Embedded]) -> EmbeddedUnits:
        """Collect the results of `ppi.embedding.engine.embed_units`."""
        return cls({unit: values for batch in batches for unit, values in batch})

    def __len__(self) -> int:
        return len(self._values)

    def rows(self, units: Sequence[Unit]) -> Tensor:
        return torch.cat([self._values[unit] for unit in units]).float()


class LiveUnits(UnitEmbeddings):
    """Units that are embedded in each call, with gradients, for a backbone that is trained.

    Parameters
    ----------
    backbone
        Backbone; the embeddings are on the device of its parameters.
    dtype
        Data type of the computation; the parameters keep theirs.
    """

    def __init__(self, backbone: Backbone, dtype: torch.dtype = torch.float32) -> None:
        self.backbone, self.dtype = backbone, dtype

    def rows(self, units: Sequence[Unit]) -> Tensor:
        # Each distinct unit is embedded once, sorted by length.
        distinct = sorted(set(units), key=lambda unit: (unit_length(unit), unit))
        device = next(self.backbone.parameters()).device.type
        with torch.autocast(device, self.dtype, enabled=self.dtype != torch.float32):
            values = self.backbone.embed(distinct)
        pieces = values.split([unit_length(unit) for unit in distinct])
        place = {unit: index for index, unit in enumerate(distinct)}
        return torch.cat([pieces[place[unit]] for unit in units]).float()
