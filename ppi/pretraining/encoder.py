"""A fast implementation of the layers of ESM-2 over packed, masked tokens, for training."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear, one_hot
from transformers import EsmModel

from ppi.backbones.esm2 import Esm2Backbone
from ppi.backbones.loading import Source
from ppi.backbones.packing import Pack, Rotary
from ppi.pretraining.corpus import MASK
from ppi.pretraining.masking import GUESSED, HIDDEN

_SPEC = "pretraining"


_Projections = tuple[Tensor, Tensor, Tensor]


class MaskedEncoder(Esm2Backbone):
    """ESM-2's encoder for training: token dropout per sequence, and last hidden states only where they are
    used.

    Queries, keys and values come from one product, as do the embeddings of tokens: the gradient of a look-up
    in a table of 33 rows is slow on a GPU.

    Parameters
    ----------
    model
        Model whose parameters are used; its contact head is removed.
    compile_layers
        Compile the operations between the attentions of consecutive layers, whose shapes never change.
    """

    def __init__(self, model: EsmModel, *, compile_layers: bool = False) -> None:
        source = Source(_SPEC, None, None, None, None, layers=(-1,), dtype=model.dtype)
        super().__init__(model, source, _SPEC, _SPEC)
        self._first, self._between = self._projected, self._fed_and_projected
        if compile_layers:
            self._first = torch.compile(self._projected, dynamic=False)
            self._between = torch.compile(self._fed_and_projected, dynamic=False)

    def states_of(self, ids: Tensor, lengths: list[int], rows: Tensor) -> Tensor:
        """Return ``(K, D)``, the last hidden states of ``(K,)`` rows.

        Parameters
        ----------
        ids
            ``(N,)`` tokens, some of them <mask>.
        lengths
            Number of tokens of each sequence.
        rows
            Indices of the tokens whose states are returned.
        """
        pack = Pack(lengths, ids.device)
        hidden = self._embeddings(ids, pack)
        width = hidden.shape[1] // self.attention_heads
        rotary = Rotary(width, pack.positions, hidden.dtype)
        projections = self._first(self.blocks[0], rotary, hidden)
        for layer, following in pairwise(self.blocks):
            attended = pack.attend(*projections, scale=width**-0.5)
            hidden, projections = self._between(layer, following, rotary, hidden, attended)
        attended = pack.attend(*projections, scale=width**-0.5)
        # All other rows are dropped after the last attention, which saves a tenth of the computation.
        last = self._fed_forward(
            self.blocks[-1], hidden.index_select(0, rows), attended.index_select(0, rows)
        )
        normed: Tensor = self.final_norm(last)
        return normed

    def _fed_and_projected(
        self, layer: Any, following: Any, rotary: Rotary, hidden: Tensor, attended: Tensor
    ) -> tuple[Tensor, _Projections]:
        """Compute everything between the attentions of consecutive layers."""
        hidden = self._fed_forward(layer, hidden, attended)
        return hidden, self._projected(following, rotary, hidden)

    def _projected(self, layer: Any, rotary: Rotary | None, hidden: Tensor) -> _Projections:
        assert rotary is not None
        own = layer.attention.self
        parts = (own.query, own.key, own.value)
        weight, bias = (torch.cat([getattr(part, name) for part in parts]) for name in ("weight", "bias"))
        projected = linear(layer.attention.LayerNorm(hidden), weight, bias)
        query, key, value = projected.unflatten(1, (3, self.attention_heads, -1)).unbind(1)
        return rotary.turn(query), rotary.turn(key), value

    def _embeddings(self, ids: Tensor, pack: Pack) -> Tensor:
        """Zero masked tokens, and scale the rest of a sequence by the fraction that remains (Rives et al.
        2021).
        """
        kept = (ids != MASK).float()
        sequence = torch.bucketize(torch.arange(len(ids), device=ids.device), pack.offsets[1:], right=True)
        count = torch.zeros(len(pack.offsets) - 1, device=ids.device).index_add_(0, sequence, kept)
        lengths = pack.offsets.diff()
        # A piece without remaining tokens is zero whatever the factor.
        factor = (1 - GUESSED * HIDDEN) * lengths / count.clamp(min=1)
        table = self.model.embeddings.word_embeddings.weight
        hidden = one_hot(ids, len(table)).to(table.dtype) @ table
        return hidden * (kept * factor[sequence]).to(hidden.dtype).unsqueeze(1)
