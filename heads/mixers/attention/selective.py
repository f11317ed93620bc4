"""The base class of attentions that first select what a row sees, and then attend it."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from heads.attention import ragged_attention
from heads.mixers.attention.base import Attention
from heads.mixers.attention.dense import scores_of
from heads.mixers.attention.sparse import Selection, attend_selected, weights_of
from heads.ragged import Segments


class SelectiveAttention(Attention):
    """An attention in two steps, so that the blocks of a stack can share the selection of the first one."""

    order_sensitive = True

    @abstractmethod
    def covers(self, length: int) -> bool:
        """Return whether a segment of this length is so short that all of it is always selected."""

    @abstractmethod
    def select(self, query: Tensor, key: Tensor, segments: Segments) -> Selection:
        """Choose what is attended, from ``(T, H, d)`` queries and keys in float32 or better; no gradient."""

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, segments: Segments, selection: Selection
    ) -> Tensor:
        """Return ``(T, H, d)`` for a selection of this attention, or of another one of its kind."""
        if self.covers(max(segments.lengths)):
            return ragged_attention(query, key, value, segments, segments)
        return attend_selected(query, key, value, selection)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        return self.attend(query, key, value, segments, self.selection(query, key, segments))

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor] | None:
        selection = self.selection(query, key, segments)
        return weights_of(scores_of(query, key, segments), query, key, selection)

    def selection(self, query: Tensor, key: Tensor, segments: Segments) -> Selection:
        """Return what is attended; see `select`."""
        wide = torch.promote_types(torch.float32, query.dtype)
        device = query.device.type
        with torch.no_grad(), torch.autocast(device, enabled=False):
            return self.select(query.to(wide), key.to(wide), segments)
