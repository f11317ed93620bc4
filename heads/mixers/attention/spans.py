"""Windows that differ between heads and grow with the length of the segment."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from heads.about import About
from heads.kernels.dispatch import triton_takes
from heads.mixers.attention.band import attend_window
from heads.mixers.attention.base import Attention
from heads.mixers.attention.dense import scores_of
from heads.options import AtLeastOne, Range
from heads.ragged import Segments

#: Longest segment that is computed under a mask, which takes less time than a call for each head.
_SHORT = 1024


class SpansAttention(Attention):
    """Softmax attention in which head ``h`` sees ``start_h + growth_h n`` neighbours on each side.

    Source: Fu et al. 2024, "MoA: Mixture of Sparse Attention for Automatic Large Language Model Compression".

    Parameters
    ----------
    heads, width
        See `Attention`.
    starts
        Part of the window that does not depend on the length, one for all heads or one for each.
    growths
        Part of the window per residue of the segment, one for each head; ``2^-7, ..., 1/2, 1`` for eight
        heads by default, so that some heads stay near and the last one sees everything.

    Raises
    ------
    ValueError
        If there is not one value for each head.
    """

    order_sensitive = True
    about = About(
        "Fu et al. 2024, MoA: Mixture of Sparse Attention",
        "n to n^2, by the windows",
        "Near and far heads: a window per head that grows with the length at a rate of its own.",
    )

    def __init__(
        self,
        heads: int,
        width: int,
        starts: AtLeastOne | tuple[AtLeastOne, ...] = 32,
        growths: tuple[Annotated[float, Range(least=0, most=1)], ...] | None = None,
    ) -> None:
        super().__init__(heads, width)
        self.starts = (starts,) * heads if isinstance(starts, int) else starts
        self.growths = tuple(2.0 ** (h + 1 - heads) for h in range(heads)) if growths is None else growths
        for name, values in (("starts", self.starts), ("growths", self.growths)):
            if len(values) != heads:
                raise ValueError(
                    f"{name} has {len(values)} values, but there are {heads} heads; give one value for each"
                )

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        if triton_takes(value, self.width):
            # Imported here, because its kernels need Triton.
            from heads.kernels.block_attention_triton import attend_segments

            windows = torch.tensor([self._windows(length) for length in segments.lengths])
            return attend_segments(query, key, value, segments, windows=windows.to(value.device))
        parts = (part.split(segments.lengths) for part in (query, key, value))
        return torch.cat([self._of_segment(*rows) for rows in zip(*parts, strict=True)])

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor]:
        found = []
        for scores in scores_of(query, key, segments):
            mask = self._reversed_mask(scores.shape[2], scores).flip(1)
            found.append((scores + mask).softmax(2))
        return found

    def _of_segment(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return ``(n, H, d)`` of one segment: each head by its window, or a short segment under one mask."""
        length = len(query)
        if length > _SHORT:
            alone, windows = Segments.from_lengths([length], query.device), self._windows(length)
            columns = zip(*(part.split(1, dim=1) for part in (query, key, value)), windows, strict=True)
            return torch.cat([attend_window(q, k, v, alone, [window]) for q, k, v, window in columns], dim=1)
        q, k, v = (part.transpose(0, 1).unsqueeze(0) for part in (query.flip(0), key, value))
        mask = self._reversed_mask(length, q).unsqueeze(0)  # The fused kernel takes four dimensions.
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return mixed[0].transpose(0, 1).flip(0)

    def _reversed_mask(self, length: int, like: Tensor) -> Tensor:
        """Return ``(H, n, n)`` for rows in reverse: 0 where a row sees another one, else -inf.

        In reverse, each row of the mask is the row before it, shifted by one, so that it is a view.
        """
        offsets = torch.arange(1 - length, length, device=like.device).abs()
        windows = torch.tensor(self._windows(length), device=like.device).unsqueeze(1)
        by_offset = like.new_zeros(self.heads, 2 * length - 1).masked_fill(offsets > windows, -torch.inf)
        return by_offset.unfold(1, length, 1)

    def _windows(self, length: int) -> list[int]:
        """Return the window of each head in a segment of this length."""
        pairs = zip(self.starts, self.growths, strict=True)
        return [min(length - 1, start + int(growth * length)) for start, growth in pairs]
