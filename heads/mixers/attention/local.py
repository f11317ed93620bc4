"""Local attention without keys: the query alone says how much of each neighbour to take."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from heads.about import About
from heads.kernels.dynamic_convolution import WIDEST_KERNEL, dynamic_convolution, inside_segment
from heads.mixers.attention.base import Attention
from heads.options import Range
from heads.ragged import Segments


class LocalAttention(Attention):
    """``sum_o softmax_o(q_i W + b)_o v_{i + o}`` over the offsets ``-window`` to ``window``.

    Source: "UPLiFT: Efficient Pixel-Dense Feature Upsampling with Local Attenders" (its local attender).
    Neighbours outside of the segment take no part in the softmax.

    Parameters
    ----------
    heads, width
        See `Attention`.
    window
        Number of neighbours on each side, at most 32.
    """

    order_sensitive = True
    about = About(
        "UPLiFT: Pixel-Dense Feature Upsampling with Local Attenders",
        "n",
        "Attention without keys, over near neighbours only: the cheapest that depends on content.",
    )

    def __init__(
        self, heads: int, width: int, window: Annotated[int, Range(least=1, most=WIDEST_KERNEL // 2)] = 8
    ) -> None:
        super().__init__(heads, width)
        self.window = window
        self.projection = nn.Parameter(torch.randn(heads, width, 2 * window + 1) * width**-0.5)
        self.bias = nn.Parameter(torch.zeros(heads, 2 * window + 1))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        weights = self._by_offset(query, segments).to(value.dtype)
        return dynamic_convolution(value.flatten(1), weights, segments).view_as(value)

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor]:
        found = []
        for rows in self._by_offset(query, segments).split(segments.lengths):
            length = len(rows)
            spread = rows.new_zeros(self.heads, length, length + 2 * self.window)
            places = torch.arange(length, device=rows.device).unsqueeze(1)
            taps = torch.arange(rows.shape[2], device=rows.device)
            spread[:, places, places + taps] = rows.transpose(0, 1)
            found.append(spread[:, :, self.window : self.window + length])
        return found

    def _by_offset(self, query: Tensor, segments: Segments) -> Tensor:
        """Return ``(T, H, 2 window + 1)`` weights."""
        scores = torch.einsum("thd,hdo->tho", query, self.projection.to(query.dtype))
        inside = inside_segment(segments, 2 * self.window + 1).unsqueeze(1)
        return (scores + self.bias.to(query.dtype)).masked_fill(~inside, -torch.inf).softmax(2)
