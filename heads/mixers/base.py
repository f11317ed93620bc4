"""The base class of mixers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from torch import Tensor, nn

from heads.about import About
from heads.ragged import Segments


class Mixer(nn.Module, ABC):
    """Transforms residue embeddings within segments; no information crosses a segment boundary.

    The constructor takes the width ``D`` of the residue embeddings, and options. A mixer must accept rows of
    zeros, which pad a batch.

    Attributes
    ----------
    order_sensitive
        Whether the order of a segment's rows matters beyond the order of the results. Each class declares
        it; where that depends on the parts of a mixer, the instance does.
    about
        Source, cost and purpose, which ``ppi info mixers`` lists; None if the class does not state them.
    """

    order_sensitive: bool
    about: ClassVar[About | None] = None

    def __init__(self) -> None:
        super().__init__()
        if not hasattr(self, "order_sensitive"):
            raise TypeError(
                f"the mixer {type(self).__name__} does not declare order_sensitive; write "
                "`order_sensitive = True` into the class if the order of residues matters, else False"
            )

    @abstractmethod
    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        """Mix ``(T, D)`` rows within each segment, to ``(T, D)``."""

    def auxiliary_loss(self) -> Tensor | None:
        """Return the term of the last forward pass that training adds to the loss, or None.

        A mixer leaves out the terms of the mixers inside it, because training calls each of them.
        """
        return None


#: Function that makes a mixer for rows of a width ``D``.
MakeMixer = Callable[[int], Mixer]
