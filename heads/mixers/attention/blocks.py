"""Segments divided into blocks of equal size, so that one operation covers all blocks of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from heads.ragged import Segments


@dataclass(frozen=True)
class Blocks:
    """A division of ``T`` rows into ``N`` blocks of ``C`` slots; a segment's last block may have free slots.

    Attributes
    ----------
    filled
        ``(N, C)`` bool: the slots that hold a row.
    slots
        ``(T,)`` int64: slot of each row, from 0 to ``N * C - 1``.
    segments
        ``(N,)`` int64: segment of each block, ascending.
    counts
        Number of blocks of each segment, on the host.
    """

    filled: Tensor
    slots: Tensor
    segments: Tensor
    counts: tuple[int, ...]

    @classmethod
    def of(cls, segments: Segments, size: int) -> Blocks:
        """Divide each segment into blocks of `size` slots, from its first row on."""
        device = segments.ids.device
        counts = [-(-length // size) for length in segments.lengths]
        blocks = Segments.from_lengths(counts, device)
        starts = blocks.offsets[:-1] * size
        slots = torch.arange(segments.rows, device=device) + (starts - segments.offsets[:-1])[segments.ids]
        ends = (starts + segments.offsets.diff())[blocks.ids]
        filled = torch.arange(blocks.rows * size, device=device).unflatten(0, (-1, size)) < ends.unsqueeze(1)
        return cls(filled, slots, blocks.ids, tuple(counts))

    @classmethod
    def from_starts(cls, starts: Tensor, counts: list[int], segments: Segments, size: int) -> Blocks:
        """Divide segments at given rows, at most `size` apart.

        Parameters
        ----------
        starts
            ``(N,)`` int64, ascending: first row of each block; each segment starts a block.
        counts
            Number of blocks of each segment.
        segments
            Segments of the ``T`` rows.
        size
            Number of slots of a block.
        """
        places = torch.arange(segments.rows, device=starts.device)
        block = torch.searchsorted(starts, places, right=True) - 1
        lengths = torch.cat([starts, starts.new_tensor([segments.rows])]).diff()
        filled = torch.arange(size, device=starts.device) < lengths.unsqueeze(1)
        return cls(filled, block * size + places - starts[block], segments.ids[starts], tuple(counts))

    def __len__(self) -> int:
        return len(self.segments)

    @property
    def size(self) -> int:
        """Number of slots of a block, ``C``."""
        return self.filled.shape[1]

    @property
    def sizes(self) -> Tensor:
        """``(N,)`` int64: number of rows of each block."""
        return self.filled.sum(1)

    def split(self, values: Tensor) -> Tensor:
        """Put ``(T, H, d)`` rows into their slots, ``(N, H, C, d)``; free slots are zero."""
        spread = values.new_zeros(self.filled.numel(), *values.shape[1:]).index_copy(0, self.slots, values)
        return spread.unflatten(0, self.filled.shape).transpose(1, 2)

    def join(self, blocks: Tensor) -> Tensor:
        """Take the rows out of their slots: ``(N, H, C, d)`` to ``(T, H, d)``."""
        return blocks.transpose(1, 2).flatten(0, 1).index_select(0, self.slots)

    def shifted(self, values: Tensor, steps: int) -> Tensor:
        """Return for each block the value of the block `steps` before it, or zeros outside of the segment.

        Parameters
        ----------
        values
            ``(N, ...)`` one value per block.
        steps
            Number of blocks; the following blocks if negative.
        """
        rolled = values.roll(steps, 0)
        inside = self.segments == self.segments.roll(steps)
        edge = torch.arange(len(self), device=inside.device)
        inside &= edge >= steps if steps > 0 else edge < len(self) + steps
        return rolled.where(inside.view(-1, *[1] * (values.dim() - 1)), 0)

    def totals(self, values: Tensor) -> Tensor:
        """Return for each block the sum of ``(N, ...)`` values over the blocks of its segment."""
        sums = values.new_zeros(len(self.counts), *values.shape[1:]).index_add(0, self.segments, values)
        return sums.index_select(0, self.segments)

    def earlier(self, values: Tensor, decay: Tensor | None = None) -> Tensor:
        """Sum over the earlier blocks of the segment, by doubling: ``log2`` of their number of steps.

        Parameters
        ----------
        values
            ``(N, H, ...)`` one value per block and head.
        decay
            ``(H,)`` factor per block of distance after the first; 1 by default.

        Returns
        -------
        Tensor
            ``(N, H, ...)``; ``sum_b decay^(a - b - 1) values[b]`` over the blocks ``b < a``.
        """
        return self._summed(values, decay, 1)

    def later(self, values: Tensor, decay: Tensor | None = None) -> Tensor:
        """Sum over the later blocks of the segment; see `earlier`."""
        return self._summed(values, decay, -1)

    def _summed(self, values: Tensor, decay: Tensor | None, direction: int) -> Tensor:
        total, steps = self.shifted(values, direction), 1
        while steps < max(self.counts):
            before = self.shifted(total, direction * steps)
            if decay is not None:
                before = before * (decay**steps).view(-1, *[1] * (values.dim() - 2))
            total, steps = total + before, 2 * steps
        return total
