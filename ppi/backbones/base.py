"""What a backbone is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor, nn

#: What a backbone encodes in one go: the chains of a unit, in order.
Unit = tuple[str, ...]


class Backbone(nn.Module, ABC):
    """Turns units of residues into residue embeddings.

    Attributes
    ----------
    name
        Key in `ppi.backbones.registry.BACKBONES`.
    dim
        Width of a residue embedding, ``D``.
    max_residues
        Most residues in one unit.
    licence
        Licence of the weights.
    """

    name: ClassVar[str]
    dim: int
    max_residues: int
    licence: ClassVar[str]

    @property
    @abstractmethod
    def identity(self) -> str:
        """Family, checkpoint, revision, layer and data type: two equal identities embed alike."""

    @abstractmethod
    def embed(self, units: Sequence[Unit]) -> Tensor:
        """Embed units of at most `max_residues` residues each.

        The backbone puts its own separator and special tokens and takes them off again.

        Returns
        -------
        Tensor
            ``(T, D)``: one row for each residue of each chain of each unit, in order.
        """
