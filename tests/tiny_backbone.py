"""A backbone of random rows, whose embeddings cost nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ppi.backbones.base import Backbone, Unit


class TinyRandomBackbone(Backbone):
    """A random row for each letter; counts the units that it embeds."""

    licence = "none"
    max_residues = 100
    spec = "tiny_random"

    def __init__(self, dim: int = 6, dtype: torch.dtype = torch.bfloat16, scale: float = 1.0) -> None:
        super().__init__()
        table = torch.randn(128, dim, generator=torch.Generator().manual_seed(0))
        self.table = (table * scale).to(dtype)
        self.dim, self.dtype = dim, dtype
        self.embedded = 0

    @property
    def identity(self) -> str:
        return f"tiny_random/v1 {self.dtype}"

    def embed(self, units: Sequence[Unit]) -> Tensor:
        self.embedded += len(units)
        return self.table[[ord(letter) for unit in units for chain in unit for letter in chain]]
