"""The identity mixer, which changes nothing."""

from __future__ import annotations

from torch import Tensor

from heads.about import About
from heads.mixers.base import Mixer
from heads.ragged import Segments


class IdentityMixer(Mixer):
    """Passes the residue embeddings to the pooling unchanged.

    Parameters
    ----------
    dim
        Width of the rows.
    """

    order_sensitive = False
    about = About("", "0", "No mixing: the pooling takes the embeddings as they are.")

    def __init__(self, dim: int) -> None:
        super().__init__()

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        return values
