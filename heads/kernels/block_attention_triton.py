"""Attention of blocks of rows over blocks of rows, on a GPU: selected blocks, windows and whole segments.

Each program computes one block of queries in one head: it visits the blocks that it attends, and then the
summaries, and keeps only running sums, so that no weight and no copy of a key is stored. Backward, one
kernel visits the same blocks for the gradient of the queries, one visits for each block of keys the blocks of
queries that attended it, and one computes the summaries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from heads.kernels import block_attention_triton_kernels as kernels
from heads.kernels.pooling_triton import CHUNK_ROWS, chunks_of
from heads.kernels.triton_sizes import matrix_side, product_precision, product_type, refuse_float64
from heads.ragged import Segments

#: How scores become weights: normalised, cut at zero, or each by itself.
Weighting = Literal["softmax", "relu", "sigmoid"]

#: Summaries that a program takes at a time.
SUMMARIES = 32
#: Warps of a program, and stages of its loads. On an H200 these were the fastest of 4 and 8 warps, 2 and 3
#: stages, for all weightings, forward and backward.
WARPS, STAGES = 4, 2


def attend_selected_blocks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    sizes: Tensor,
    chosen: Tensor,
    summaries: tuple[Tensor, Tensor, Tensor] | None,
    largest: int,
) -> Tensor:
    """Compute ``softmax(q k / sqrt(d)) v`` over the selected blocks.

    Parameters
    ----------
    query, key, value
        ``(T, H, d)``.
    sizes
        ``(N,)`` int64: number of rows of each block; blocks follow each other.
    chosen
        ``(N, H, N)`` bool: the blocks whose rows a block attends, in each head; one at least.
    summaries
        ``(N, H, N)`` bool: the blocks that enter as one key and value with the weight of as many rows; and
        these keys and values, ``(N, H, d)``. None if there are none.
    largest
        Upper limit of `sizes`; programs keep a block in registers.

    Returns
    -------
    Tensor
        ``(T, H, d)``.

    Raises
    ------
    ValueError
        If the values are float64, which the kernels would round.
    """
    summarised, mean_keys, mean_values = summaries or (None, None, None)
    pattern = _Pattern(sizes.cumsum(0) - sizes, sizes, largest, chosen=chosen, summarised=summarised)
    return _attend(query, key, value, mean_keys, mean_values, None, pattern, "softmax")


def attend_segments(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    segments: Segments,
    *,
    windows: Tensor | None = None,
    weighting: Weighting = "softmax",
    biases: Tensor | None = None,
) -> Tensor:
    """Compute ``weighting(q k / sqrt(d) + b) v`` over each segment, or over a window around each row.

    Parameters
    ----------
    query, key, value
        ``(T, H, d)``.
    segments
        ``S`` segments of the rows.
    windows
        ``(S, H)`` number of neighbours on each side that a row sees; by default all.
    weighting
        How scores become weights.
    biases
        ``(S, H)`` ``b``; 0 by default.

    Returns
    -------
    Tensor
        ``(T, H, d)``.

    Raises
    ------
    ValueError
        If the values are float64, which the kernels would round.
    """
    heads = value.shape[1]
    offsets, (chunk_offsets, owners) = segments.offsets, chunks_of(segments.offsets, segments.rows)
    # Unused chunks belong to no segment; they get no rows, and visit nothing.
    used = owners < len(segments)
    owners = owners.clamp(max=len(segments) - 1)
    first_chunk, next_first = chunk_offsets[owners], chunk_offsets[owners + 1]
    number = torch.arange(len(owners), device=owners.device) - first_chunk
    starts = offsets[owners] + number * CHUNK_ROWS
    sizes = (offsets[owners + 1] - starts).clamp(0, CHUNK_ROWS).where(used, 0)
    low, high = (each.unsqueeze(1).expand(-1, heads) for each in (first_chunk, next_first))
    if windows is not None:
        windows = windows.to(torch.int32)[owners].contiguous()
        begin = (number * CHUNK_ROWS).unsqueeze(1)
        low = low + (begin - windows).clamp(min=0) // CHUNK_ROWS
        high = torch.minimum(
            high, first_chunk.unsqueeze(1) + (begin + CHUNK_ROWS - 1 + windows) // CHUNK_ROWS + 1
        )
    counts = (high - low).where(used.unsqueeze(1), 0)
    consecutive = low.to(torch.int32).contiguous(), counts.to(torch.int32).contiguous()
    pattern = _Pattern(starts, sizes, CHUNK_ROWS, consecutive=consecutive, windows=windows)
    added = None if biases is None else biases.float()[owners]
    return _attend(query, key, value, None, None, added, pattern, weighting)


@dataclass(frozen=True)
class _Pattern:
    """``N`` blocks of rows, and what the rows of each attend in each of ``H`` heads.

    Attributes
    ----------
    starts, sizes
        ``(N,)`` int64: first row and number of rows of each block.
    largest
        Upper limit of `sizes`.
    chosen
        ``(N, H, N)`` bool: the blocks that a block attends; None if they are consecutive.
    consecutive
        ``(N, H)`` int32 each: the first of the blocks that a block attends, and their number.
    windows
        ``(N, H)`` int32: number of neighbours on each side that a row sees.
    summarised
        ``(N, H, N)`` bool: the blocks that enter by their summaries.
    """

    starts: Tensor
    sizes: Tensor
    largest: int
    chosen: Tensor | None = None
    consecutive: tuple[Tensor, Tensor] | None = None
    windows: Tensor | None = None
    summarised: Tensor | None = None

    def visits(self, by_key: bool) -> tuple[Tensor, Tensor]:
        """Return the blocks that each block attends, or that attend it, and their number.

        Blocks attend each other where they attend consecutive ones, of which only the first is returned.
        """
        if self.chosen is None:
            assert self.consecutive is not None
            return self.consecutive
        return _lists(self.chosen.transpose(0, 2) if by_key else self.chosen)

    def constants(self, value: Tensor, weighting: Weighting) -> dict[str, Any]:
        """Return the compile-time constants of the kernels."""
        _, heads, width = value.shape
        return {
            "HEADS": heads,
            "WIDTH": width,
            "COLUMNS": matrix_side(width),
            "ROWS": matrix_side(self.largest),
            "SCALE": width**-0.5,
            "TYPE": product_type(value),
            "PRECISION": product_precision(value),
            "WEIGHTING": weighting,
            "num_warps": WARPS,
            "num_stages": STAGES,
        }


def _lists(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the chosen blocks first, ``(N, H, N)`` int32, and their numbers ``(N, H)`` int32."""
    order = chosen.to(torch.uint8).sort(dim=2, descending=True, stable=True).indices
    return order.to(torch.int32).contiguous(), chosen.sum(2, dtype=torch.int32).contiguous()


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mean_keys: Tensor | None,
    mean_values: Tensor | None,
    biases: Tensor | None,
    pattern: _Pattern,
    weighting: Weighting,
) -> Tensor:
    refuse_float64(value)
    parts = [
        part if part is None else part.to(value.dtype).contiguous()
        for part in (query, key, value, mean_keys, mean_values)
    ]
    mixed: Tensor = _BlockAttention.apply(*parts, biases, pattern, weighting)
    return mixed


class _BlockAttention(torch.autograd.Function):
    """The autograd function; the summaries are None together."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mean_keys: Tensor | None,
        mean_values: Tensor | None,
        biases: Tensor | None,
        pattern: _Pattern,
        weighting: Weighting,
    ) -> Tensor:
        blocks, heads = len(pattern.starts), value.shape[1]
        flags = None if pattern.summarised is None else pattern.summarised.to(torch.uint8).contiguous()
        mixed, logarithms = torch.empty_like(value), None
        if weighting == "softmax":
            logarithms = torch.empty(value.shape[:2], dtype=torch.float32, device=value.device)
        constants = pattern.constants(value, weighting)
        kernels.forward[(blocks, heads)](
            query, key, value, pattern.starts, pattern.sizes, *pattern.visits(by_key=False), pattern.windows,
            biases, mean_keys, mean_values, flags, mixed, logarithms, blocks,
            LISTED=pattern.chosen is not None, SUMMARIES=SUMMARIES, **constants,
        )  # fmt: skip
        kept = mixed if weighting == "softmax" else None
        ctx.save_for_backward(query, key, value, mean_keys, mean_values, biases, flags, kept, logarithms)
        ctx.pattern, ctx.constants = pattern, constants
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *means, biases, flags, mixed, logarithms = ctx.saved_tensors
        pattern, constants = ctx.pattern, ctx.constants
        blocks, heads, listed = len(pattern.starts), value.shape[1], pattern.chosen is not None
        grad = grad.to(value.dtype).contiguous()
        # The gradient of the softmax needs sum(weight * gradient of weight), which equals mixed . grad.
        shifts = None if mixed is None else (mixed.float() * grad.float()).sum(2)
        of_query, of_key, of_value = (torch.empty_like(part) for part in (query, key, value))
        of_biases = None if biases is None else torch.empty_like(biases)
        cut = pattern.starts, pattern.sizes
        kernels.of_queries[(blocks, heads)](
            query, key, value, *cut, *pattern.visits(by_key=False), pattern.windows, biases, *means, flags,
            grad, logarithms, shifts, of_query, of_biases, blocks,
            LISTED=listed, SUMMARIES=SUMMARIES, **constants,
        )  # fmt: skip
        kernels.of_keys[(blocks, heads)](
            query, key, value, *cut, *pattern.visits(by_key=True), pattern.windows, biases,
            grad, logarithms, shifts, of_key, of_value, blocks, LISTED=listed, **constants,
        )  # fmt: skip
        of_means: list[Tensor | None] = [None, None]
        if flags is not None:
            of_means = [torch.empty_like(part) for part in means]
            kernels.of_summaries[(-(-blocks // SUMMARIES), heads)](
                query, *cut, *means, flags, grad, logarithms, shifts, *of_means, blocks,
                SUMMARIES=SUMMARIES, **constants,
            )  # fmt: skip
        return of_query, of_key, of_value, *of_means, of_biases, None, None
