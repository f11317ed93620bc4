"""The base class of attention variants."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn

from heads.about import About
from heads.ragged import Segments


class Attention(nn.Module, ABC):
    """An attention between the rows of each segment, from queries, keys and values.

    Parameters
    ----------
    heads
        Number of heads, ``H``.
    width
        Width of a head, ``d``.

    Attributes
    ----------
    order_sensitive
        Whether the order of a segment's rows matters beyond the order of the results; each class declares it.
    about
        Source, cost and purpose, which ``ppi info attentions`` lists; None if the class does not state them.
    """

    order_sensitive: bool
    about: ClassVar[About | None] = None

    def __init__(self, heads: int, width: int) -> None:
        super().__init__()
        if not hasattr(self, "order_sensitive"):
            raise TypeError(
                f"the attention {type(self).__name__} does not declare order_sensitive; write "
                "`order_sensitive = True` into the class if the order of residues matters, else False"
            )
        self.heads, self.width = heads, width

    @abstractmethod
    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        """Return ``(T, H, d)`` from queries, keys and values ``(T, H, d)`` of the same segments."""

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor] | None:
        """Return the ``(H, n, n)`` weights of each segment of ``n`` rows; None if they are never formed."""
        return None

    @property
    def forms_weights(self) -> bool:
        """Whether `weights` returns them."""
        return type(self).weights is not Attention.weights

    def auxiliary_loss(self) -> Tensor | None:
        """Return the term of the last forward pass that training adds to the loss, or None.

        An attention that wraps another one includes that one's term.
        """
        return None


#: Function that makes an attention from the number of heads ``H`` and their width ``d``.
MakeAttention = Callable[[int, int], Attention]
