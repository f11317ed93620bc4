"""What a backbone is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

#: What a backbone encodes in one go: the chains of a unit, in order.
Unit = tuple[str, ...]


class Backbone(nn.Module, ABC):
    """Turns units of residues into residue embeddings.

    Attributes
    ----------
    spec
        What `ppi.backbones.registry.build_backbone` makes the same backbone from, revision included.
    dim
        Width of a residue embedding, ``D``; where several layers are asked for, of all of them together.
    max_residues
        Most residues in one unit; each chain after the first takes the place of one residue.
    licence
        Licence of the weights.
    dtype
        Of the embeddings.
    layers
        Hidden layers that are put side by side.
    costly
        Whether its embeddings are worth keeping on disk.
    tuned
        Digest of the weights that were trained further; empty for those of the checkpoint.
    """

    spec: str
    dim: int
    max_residues: int
    licence: str
    dtype: torch.dtype
    layers: tuple[int, ...] = (-1,)
    costly: ClassVar[bool] = True
    tuned: str = ""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Family, checkpoint, revision, layers, tuning and data type: two equal identities embed alike."""

    @abstractmethod
    def embed(self, units: Sequence[Unit]) -> Tensor:
        """Embed units of at most `max_residues` residues each.

        The backbone puts its own separator and special tokens and takes them off again.

        Returns
        -------
        Tensor
            ``(T, D)``: one row for each residue of each chain of each unit, in order.
        """
