"""The interface of backbones."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

#: What a backbone encodes together: the chains of a unit, in order.
Unit = tuple[str, ...]


class Backbone(nn.Module, ABC):
    """Computes residue embeddings of units.

    Attributes
    ----------
    spec
        Name from which `ppi.backbones.registry.build_backbone` makes the same backbone, including the
        revision.
    dim
        Width of a residue embedding, ``D``: the sum over all requested layers.
    max_residues
        Maximum number of residues in one unit; each chain after the first counts as one more residue.
    licence
        Licence of the weights.
    dtype
        Data type of the embeddings.
    layers
        Hidden layers that are concatenated.
    costly
        Whether its embeddings are worth caching on disk.
    tuned
        Digest of the fine-tuned weights; empty if the weights are those of the checkpoint.
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
        """Family, checkpoint, revision, layers, tuning and data type: equal identities mean equal
        embeddings.
        """

    @abstractmethod
    def embed(self, units: Sequence[Unit]) -> Tensor:
        """Embed units of at most `max_residues` residues each.

        The backbone adds its own separators and special tokens and removes them again.

        Returns
        -------
        Tensor
            ``(T, D)``: one row for each residue of each chain of each unit, in order.
        """
