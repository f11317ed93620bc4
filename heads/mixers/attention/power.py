"""Power attention: near neighbours, and rows at distances that are powers of two."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from heads.about import About
from heads.mixers.attention.band import Band
from heads.mixers.attention.base import Attention
from heads.mixers.attention.dense import scores_of
from heads.options import AtLeastOne
from heads.ragged import Segments


class PowerAttention(Attention):
    """Softmax attention over the offsets 0, 1 to `window` and all powers of two, in both directions.

    Source: Chen et al. 2025, "PowerAttention: Exponentially Scaling of Receptive Fields". Each row has
    ``O(log n)`` partners, and the distance that a stack of blocks reaches doubles with each block.

    Parameters
    ----------
    heads, width
        See `Attention`.
    window
        Number of near neighbours on each side.
    """

    order_sensitive = True
    about = About(
        "Chen et al. 2025, PowerAttention",
        "n log n",
        "Sparse attention whose receptive field doubles with each block of a stack.",
    )

    def __init__(self, heads: int, width: int, window: AtLeastOne = 16) -> None:
        super().__init__(heads, width)
        self.window = window

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        band = Band.of(segments, [min(self.window, length - 1) for length in segments.lengths])
        query = query * self.width**-0.5
        near = (band.tiles(query) @ band.windows(key).transpose(2, 3)).masked_fill(~band.inside, -torch.inf)
        steps = self._far_steps(max(segments.lengths))
        far = band.tiles(_far_scores(query, key, segments, steps).unflatten(1, (self.heads, -1)))
        weights = torch.cat([near, far], dim=3).softmax(3)
        mixed = band.join(weights[..., : near.shape[3]] @ band.windows(value))
        return _with_far(mixed, band.join(weights[..., near.shape[3] :]), value, steps)

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor]:
        found = []
        for scores in scores_of(query, key, segments):
            places = torch.arange(scores.shape[2], device=scores.device)
            distances = (places - places.unsqueeze(1)).abs()
            seen = (distances <= self.window) | (distances & (distances - 1) == 0)
            found.append(scores.masked_fill(~seen, -torch.inf).softmax(2))
        return found

    def _far_steps(self, longest: int) -> list[int]:
        """Return the powers of two beyond the window and inside the longest segment."""
        powers = (2**exponent for exponent in range((longest - 1).bit_length()))
        return [power for power in powers if power > self.window]


def _far_scores(query: Tensor, key: Tensor, segments: Segments, steps: list[int]) -> Tensor:
    """Return ``(T, H * F)``: the scores of the rows `step` after and before each row; -inf outside."""
    scores = []
    for step in steps:
        outside = (segments.ids[:-step] != segments.ids[step:]).unsqueeze(1)
        after = (query[:-step] * key[step:]).sum(2).masked_fill(outside, -torch.inf)
        before = (query[step:] * key[:-step]).sum(2).masked_fill(outside, -torch.inf)
        scores += [
            pad(after, (0, 0, 0, step), value=-torch.inf),
            pad(before, (0, 0, step, 0), value=-torch.inf),
        ]
    return torch.stack(scores, dim=2).flatten(1) if scores else query.new_zeros(len(query), 0)


def _with_far(mixed: Tensor, weights: Tensor, value: Tensor, steps: list[int]) -> Tensor:
    """Add the values of the far rows, with ``(T, H, F)`` weights."""
    for number, step in enumerate(steps):
        after, before = weights[..., 2 * number, None], weights[..., 2 * number + 1, None]
        mixed = mixed + pad(after[:-step] * value[step:], (0, 0, 0, 0, 0, step))
        mixed = mixed + pad(before[step:] * value[:-step], (0, 0, 0, 0, step, 0))
    return mixed
