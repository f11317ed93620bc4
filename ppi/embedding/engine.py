"""Each distinct unit is embedded once; batches are gathered from the result."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from heads.ragged import RaggedBatch
from ppi.backbones.base import Backbone, Unit
from ppi.embedding.batching import budget_batches
from ppi.embedding.units import EncodedComplex, unit_length


class EmbeddedUnits:
    """Embeddings of distinct units, packed in memory.

    Parameters
    ----------
    backbone
        Embeds the units, without gradients.
    units
        May repeat; each distinct one is embedded once, longest first.
    token_budget
        Most residues that the backbone gets at once.
    """

    def __init__(self, backbone: Backbone, units: Iterable[Unit], token_budget: int) -> None:
        distinct = list(dict.fromkeys(units))
        lengths = [unit_length(unit) for unit in distinct]
        starts = torch.tensor([0, *lengths]).cumsum(0).tolist()
        self._rows = {
            unit: slice(start, start + length)
            for unit, start, length in zip(distinct, starts, lengths, strict=False)
        }
        self.values = torch.empty(sum(lengths), backbone.dim)
        with torch.inference_mode():
            for batch in budget_batches(lengths, token_budget):
                embedded = backbone.embed([distinct[index] for index in batch]).to("cpu", torch.float32)
                pieces = embedded.split([lengths[index] for index in batch])
                for index, piece in zip(batch, pieces, strict=True):
                    self.values[self._rows[distinct[index]]] = piece

    def __len__(self) -> int:
        return len(self._rows)

    def gather(self, complexes: Sequence[EncodedComplex]) -> RaggedBatch:
        """Return the ragged batch of these complexes, in their order."""
        units = [unit for item in complexes for unit in item.units]
        lengths = [unit_length(unit) for unit in units]
        owners = [index for index, item in enumerate(complexes) for _ in item.units]
        return RaggedBatch(
            values=torch.cat([self._values_of(unit) for unit in units]),
            unit_offsets=torch.tensor([0, *lengths]).cumsum(0),
            unit_complex=torch.tensor(owners),
            unit_role=torch.tensor([role for item in complexes for role in item.roles]),
        )

    def _values_of(self, unit: Unit) -> Tensor:
        return self.values[self._rows[unit]]
