"""Random attention: static attention that is drawn once and never learns."""

from __future__ import annotations

from heads.about import About
from heads.mixers.attention.static import StaticAttention
from heads.mixers.attention.uniform import DECONSTRUCTING
from heads.options import AtLeastOne


class RandomAttention(StaticAttention):
    """Attends by relative offset with scores that are drawn once from a normal distribution and frozen.

    Source: Xue et al. 2025, "Deconstructing Attention" (the random control).

    Parameters
    ----------
    heads, width, reach
        See `StaticAttention`.
    """

    about = About(
        DECONSTRUCTING,
        "n",
        "Control: a random weight per head and relative offset, drawn once and frozen.",
    )

    def __init__(self, heads: int, width: int, reach: AtLeastOne = 64) -> None:
        super().__init__(heads, width, reach)
        drawn = self.scores.detach()
        del self.scores
        self.register_buffer("scores", drawn)
