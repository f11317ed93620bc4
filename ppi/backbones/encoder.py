"""What all language models share: units to tokens, tokens through the layers, residues out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ppi.backbones.base import Backbone, Unit
from ppi.backbones.packing import Pack
from ppi.backbones.vocabulary import Vocabulary
from ppi.errors import BackboneError


class PackedEncoder(Backbone):
    """A transformer encoder over packed tokens; a family says what its layers do.

    The dropout of a family is not applied, not in training either: an embedding is the same in both modes.

    Parameters
    ----------
    spec
        See `Backbone`.
    identity
        Of the weights, without layers and data type.
    vocabulary
        Of the family.
    width, depth
        Of a hidden state, and number of layers.
    layers
        Hidden states that `embed` returns, side by side: 0 is the input of the first layer, `depth` or -1
        what leaves the last one (normalised where the family does so).
    dtype
        Of weights and computation.

    Attributes
    ----------
    version
        Of what this code makes of the same weights: raised whenever that changes.
    projections_in, projection_out
        Names, inside a block, of the linear layers that make queries, keys and values, and of the one that
        takes what they attended. Rows of the former (of each third where they are one), and columns of the
        latter, are ordered by head.
    heads
        Attention heads of each block.
    gradient_checkpointing
        Keep only the input of each block for the backward pass, and compute the rest again.

    Raises
    ------
    BackboneError
        If a layer is not there.
    """

    version: ClassVar[int] = 1
    projections_in: ClassVar[tuple[str, ...]]
    projection_out: ClassVar[str]
    heads: int
    gradient_checkpointing: bool = False

    def __init__(
        self,
        *,
        spec: str,
        identity: str,
        vocabulary: Vocabulary,
        width: int,
        depth: int,
        layers: Sequence[int],
        dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.spec, self.vocabulary, self.dtype = spec, vocabulary, dtype
        self.layers = tuple(_layer(layer, depth, spec) for layer in layers)
        self.dim = width * len(self.layers)
        self._identity = identity

    @property
    def identity(self) -> str:
        layers = ",".join(map(str, self.layers))
        tuned = f" tuned {self.tuned}" if self.tuned else ""
        dtype = str(self.dtype).removeprefix("torch.")
        return f"{self._identity} v{self.version} layers {layers}{tuned} {dtype}"

    @property
    @abstractmethod
    def blocks(self) -> nn.ModuleList:
        """All transformer layers, in order."""

    @property
    @abstractmethod
    def final_norm(self) -> nn.Module:
        """What normalises the output of the last block."""

    @property
    def blocks_used(self) -> int:
        """How many blocks, from the first on, the embeddings need."""
        return max(self.layers)

    @abstractmethod
    def states(self, ids: Tensor, pack: Pack) -> Iterator[Tensor]:
        """Yield the ``(N, D)`` hidden states of ``(N,)`` token ids: before the first layer, after each."""

    def run_block(self, block: Callable[[Tensor], Tensor], hidden: Tensor) -> Tensor:
        """Return what a block makes of ``(N, D)`` hidden states, by `gradient_checkpointing`."""
        if self.gradient_checkpointing and torch.is_grad_enabled():
            computed: Tensor = checkpoint(block, hidden, use_reentrant=False)
            return computed
        return block(hidden)

    def embed(self, units: Sequence[Unit]) -> Tensor:
        tokens = self.vocabulary.encode(units)
        device = next(self.parameters()).device
        ids, residue = (torch.from_numpy(part).to(device) for part in (tokens.ids, tokens.residue))
        rows = residue.nonzero().squeeze(1)
        chosen: dict[int, Tensor] = {}
        for depth, state in enumerate(self.states(ids, Pack(tokens.lengths, device))):
            if depth in self.layers:
                chosen[depth] = state[rows]
            if depth == max(self.layers):
                break
        return torch.cat([chosen[layer] for layer in self.layers], dim=1)


def _layer(layer: int, depth: int, spec: str) -> int:
    if not -depth - 1 <= layer <= depth:
        raise BackboneError(f"{spec} has hidden layers 0 to {depth}; {layer} was asked for")
    return layer % (depth + 1)
