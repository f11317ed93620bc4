"""The base class of attentions that change another attention."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from heads.mixers.attention.base import Attention, MakeAttention
from heads.names import ATTENTIONS
from heads.options import ChosenPart
from heads.ragged import Segments

#: The attention inside a wrapper: the options ``inner`` (its name) and ``inner_options``.
Inner = Annotated[MakeAttention, ChosenPart(ATTENTIONS, "softmax")]


class Wrapper(Attention):
    """An attention around another one, which it passes everything to that it does not change.

    Parameters
    ----------
    heads, width
        See `Attention`.
    make_inner
        Function that makes the inner attention.
    """

    order_sensitive = True  # That of the inner attention is set below.

    def __init__(self, heads: int, width: int, make_inner: MakeAttention) -> None:
        super().__init__(heads, width)
        self.inner = make_inner(heads, width)
        self.order_sensitive = self.inner.order_sensitive

    @property
    def forms_weights(self) -> bool:
        return self.inner.forms_weights

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        attended: Tensor = self.inner(query, key, value, segments)
        return attended

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor] | None:
        return self.inner.weights(query, key, segments)

    def auxiliary_loss(self) -> Tensor | None:
        return self.inner.auxiliary_loss()
