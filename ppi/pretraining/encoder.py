"""The layers of ESM-2 over packed, masked tokens, as fast as training needs them."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import EsmModel

from ppi.backbones.esm2 import Esm2Backbone
from ppi.backbones.loading import Source
from ppi.backbones.packing import Pack, Rotary
from ppi.pretraining.corpus import MASK
from ppi.pretraining.masking import GUESSED, HIDDEN

_SPEC = "pretraining"


class MaskedEncoder(Esm2Backbone):
    """ESM-2's encoder in training: token dropout by sequence, and the last states only where they are used.

    Parameters
    ----------
    model
        Whose parameters these are; its contact head is taken away.
    compile_layers
        Compile what stands between the attentions of neighbouring layers, whose shapes never change.
    """

    def __init__(self, model: EsmModel, *, compile_layers: bool = False) -> None:
        source = Source(_SPEC, None, None, None, None, layers=(-1,), dtype=model.dtype)
        super().__init__(model, source, _SPEC, _SPEC)
        self._compute_block, self._compute_attention = self._block, self._attended
        if compile_layers:
            self._compute_block = torch.compile(self._block, dynamic=False)
            self._compute_attention = torch.compile(self._attended, dynamic=False)

    def states_of(self, ids: Tensor, lengths: list[int], rows: Tensor) -> Tensor:
        """Return ``(K, D)``, the last hidden states of ``(K,)`` rows.

        Parameters
        ----------
        ids
            ``(N,)`` tokens, some of them <mask>.
        lengths
            Tokens of each sequence.
        rows
            Which states are wanted.
        """
        pack = Pack(lengths, ids.device)
        hidden = self._embeddings(ids, pack)
        rotary = Rotary(hidden.shape[1] // self.heads, pack.positions, hidden.dtype)
        for layer in self.blocks[:-1]:
            hidden = self.run_block(partial(self._compute_block, layer, pack, rotary), hidden)
        last: Tensor = self.final_norm(self._last_block(self.blocks[-1], pack, rotary, hidden, rows))
        return last

    def _last_block(self, layer: Any, pack: Pack, rotary: Rotary, hidden: Tensor, rows: Tensor) -> Tensor:
        """Do as `_block`, but drop all other rows once they have been attended: a tenth of all the work."""
        attended = self._compute_attention(layer, pack, rotary, hidden)
        return self._fed_forward(layer, hidden.index_select(0, rows), attended.index_select(0, rows))

    def _embeddings(self, ids: Tensor, pack: Pack) -> Tensor:
        """Zero masked tokens; scale the rest of a sequence by the part it keeps (Rives et al. 2021)."""
        kept = (ids != MASK).float()
        sequence = torch.bucketize(torch.arange(len(ids), device=ids.device), pack.offsets[1:], right=True)
        count = torch.zeros(len(pack.offsets) - 1, device=ids.device).index_add_(0, sequence, kept)
        lengths = pack.offsets.diff()
        # A piece of which nothing is left is zero whatever the factor.
        factor = (1 - GUESSED * HIDDEN) * lengths / count.clamp(min=1)
        hidden = self.model.embeddings.word_embeddings(ids)
        return hidden * (kept * factor[sequence]).to(hidden.dtype).unsqueeze(1)
