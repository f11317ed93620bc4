"""The base class of language models: it converts units to tokens and hidden states to residue embeddings."""

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
    """A transformer encoder over packed tokens; each family defines its layers.

    The dropout of a family is never applied, so an embedding is the same in training and evaluation mode.

    Parameters
    ----------
    spec
        See `Backbone`.
    identity
        Identity of the weights, without layers and data type.
    vocabulary
        Vocabulary of the family.
    width, depth
        Width of a hidden state, and number of layers.
    layers
        Hidden states that `embed` concatenates: 0 is the input of the first layer, `depth` or -1 the output
        of the last one (normalised if the family does so).
    dtype
        Data type of weights and computation.

    Attributes
    ----------
    version
        Version of the computation; it increases whenever the same weights give different embeddings.
    projections_in, projection_out
        Names, inside a block, of the query, key and value projections and of the output projection. Rows of
        the former (of each third if they are fused), and columns of the latter, are ordered by head.
    attention_heads
        Number of attention heads of each block.
    gradient_checkpointing
        Whether to keep only the input of each block for the backward pass and recompute the rest.

    Raises
    ------
    BackboneError
        If a requested layer does not exist.
    """

    version: ClassVar[int] = 1
    projections_in: ClassVar[tuple[str, ...]]
    projection_out: ClassVar[str]
    attention_heads: int
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
        """The normalisation of the output of the last block."""

    @property
    def blocks_used(self) -> int:
        """Number of blocks, from the first on, that the embeddings need."""
        return max(self.layers)

    @abstractmethod
    def states(self, ids: Tensor, pack: Pack) -> Iterator[Tensor]:
        """Yield the ``(N, D)`` hidden states of ``(N,)`` token ids: before the first layer, after each."""

    def run_block(self, block: Callable[[Tensor], Tensor], hidden: Tensor) -> Tensor:
        """Return the output of a block for ``(N, D)`` hidden states, with `gradient_checkpointing` if set."""
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
        raise BackboneError(f"{spec} has hidden layers 0 to {depth} (-1 is the last), not {layer}")
    return layer % (depth + 1)
