"""Static attention: weights that depend on the distance between residues alone, learned or frozen."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from heads.about import About
from heads.mixers.attention.base import Attention
from heads.mixers.attention.blocks import Blocks
from heads.mixers.attention.uniform import DECONSTRUCTING
from heads.options import AtLeastOne
from heads.ragged import Segments


class StaticAttention(Attention):
    """Attends by relative offset: ``softmax_j(b[clip(j - i)])``, one learned ``b`` per head and offset.

    Source: Xue et al. 2025, "Deconstructing Attention" (weights independent of the sequence). Offsets beyond
    `reach` share one weight on each side, so far blocks enter by their sums and time is linear in the length.

    Parameters
    ----------
    heads, width
        See `Attention`.
    reach
        Largest offset that has a weight of its own.
    """

    order_sensitive = True
    about = About(
        DECONSTRUCTING,
        "n",
        "Control: a learned weight per head and relative offset, independent of the residues' content.",
    )

    def __init__(self, heads: int, width: int, reach: AtLeastOne = 64) -> None:
        super().__init__(heads, width)
        self.reach = reach
        self.scores = nn.Parameter(torch.randn(heads, 2 * reach + 1))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        blocks, ones = Blocks.of(segments, self.reach), value.new_ones(*value.shape[:2], 1)
        rows = blocks.split(torch.cat([value, ones], dim=2))  # The last column counts the weights.
        weights = (self.scores - self.scores.amax(1, keepdim=True)).exp()
        near = torch.cat([blocks.shifted(rows, 1), rows, blocks.shifted(rows, -1)], dim=2)
        total = weights[:, self._offsets(blocks.size)].to(rows.dtype) @ near
        sums = (
            rows.float().sum(2, keepdim=True) if rows.dtype == torch.bfloat16 else rows.sum(2, keepdim=True)
        )
        before = blocks.earlier(blocks.shifted(sums, 1)) * weights[:, :1, None]
        after = blocks.later(blocks.shifted(sums, -1)) * weights[:, -1:, None]
        total = total + before + after
        return blocks.join(total[..., :-1] / total[..., -1:].clamp(min=1e-30)).to(value.dtype)

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor]:
        found = []
        for length in segments.lengths:
            places = torch.arange(length, device=query.device)
            offsets = (places - places.unsqueeze(1)).clamp(-self.reach, self.reach) + self.reach
            found.append(self.scores[:, offsets].softmax(2).to(query.dtype))
        return found

    def _offsets(self, size: int) -> Tensor:
        """Return ``(C, 3 C)`` indices of the weights of a block's rows to the rows of three blocks."""
        places = torch.arange(3 * size, device=self.scores.device)
        offsets = places - size - places[:size].unsqueeze(1)
        return offsets.clamp(-self.reach, self.reach) + self.reach
