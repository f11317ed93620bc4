"""Attention pooling on a GPU: each program processes a chunk of a segment's rows and reads each row once.

A chunk never crosses a segment. Forward, a program keeps a running maximum, sum and weighted sum over its
chunk, and a second kernel joins the chunks of each segment; backward, chunks are independent. How work is
split follows from shapes alone, so nothing waits for the device.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from heads.kernels import pooling_triton_kernels as kernels
from heads.kernels.triton_sizes import power_of_two, refuse_float64
from heads.ragged import Segments

#: Rows of a program, elements that it holds in registers at a time, and its warps.
CHUNK_ROWS = 64
TILE = 2**13
WARPS = 8


def pool(values: Tensor, scores: Tensor | None, weight: Tensor | None, segments: Segments) -> Tensor:
    """Pool ``(T, D)`` to ``(S, D)`` by ``(T, H)`` scores or by those that an ``(H, D)`` weight gives.

    Raises
    ------
    ValueError
        If the values are float64, which the kernels would round.
    """
    refuse_float64(values)
    pooled: Tensor = _Pool.apply(values, scores, weight, segments.offsets)
    return pooled


class _Pool(torch.autograd.Function):
    """The autograd function; exactly one of `scores` and `weight` is not None."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, scores: Tensor | None, weight: Tensor | None, offsets: Tensor
    ) -> Tensor:
        source = scores if weight is None else weight
        assert source is not None
        values, source = values.contiguous(), source.contiguous()
        segments, width = offsets.numel() - 1, values.shape[1]
        pooling_heads = source.shape[1] if weight is None else source.shape[0]
        chunk_offsets, chunk_segment = chunks_of(offsets, values.shape[0])
        chunks = chunk_segment.numel()
        wide: dict[str, Any] = {"dtype": torch.float32, "device": values.device}
        peaks, totals = (torch.empty(chunks, pooling_heads, **wide) for _ in range(2))
        sums = torch.empty(chunks, width, **wide)
        sizes = _sizes(width, pooling_heads, linear=weight is not None)
        kernels.forward[(chunks,)](
            values, source, offsets, chunk_offsets, chunk_segment, peaks, totals, sums, segments,
            **sizes, num_warps=WARPS,
        )  # fmt: skip
        peak, total = (torch.empty(segments, pooling_heads, **wide) for _ in range(2))
        pooled = torch.empty(segments, width, **wide)
        joined = {name: sizes[name] for name in ("WIDTH", "HEADS", "COLUMNS", "HEAD_SLOTS")}
        kernels.join[(segments,)](chunk_offsets, peaks, totals, sums, peak, total, pooled, **joined)
        ctx.save_for_backward(values, source, offsets, chunk_offsets, chunk_segment, pooled, peak, total)
        ctx.sizes = sizes
        return pooled.to(values.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        values, source, offsets, chunk_offsets, chunk_segment, pooled, peak, total = ctx.saved_tensors
        pooling_heads, linear, chunks = ctx.sizes["HEADS"], ctx.sizes["LINEAR"], chunk_segment.numel()
        grad = grad.float().contiguous()
        # The gradient of the softmax needs sum(weight * gradient of weight), which equals pooled . grad.
        shift = (pooled * grad).unflatten(1, (pooling_heads, -1)).sum(2)
        grad_values = torch.empty_like(values)
        # The gradient of the weight is first summed chunk by chunk, which is deterministic, unlike atomic
        # additions.
        shape = (chunks, *source.shape) if linear else source.shape
        grad_source = torch.empty(shape, dtype=torch.float32, device=values.device)
        kernels.backward[(chunks,)](
            values, source, offsets, chunk_offsets, chunk_segment, peak, total, grad, shift,
            grad_values, grad_source, offsets.numel() - 1, **ctx.sizes, num_warps=WARPS,
        )  # fmt: skip
        if linear:
            return grad_values, None, grad_source.sum(0).to(source.dtype), None
        return grad_values, grad_source.to(source.dtype), None, None


def chunks_of(offsets: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Cut segments into chunks of `CHUNK_ROWS` rows.

    Returns
    -------
    chunk_offsets
        ``(S + 1,)``; segment ``s`` has chunks ``chunk_offsets[s]:chunk_offsets[s + 1]``.
    chunk_segment
        ``(C,)`` segment of each chunk. ``C`` is the largest number of chunks that so many rows and segments
        can need, which is known without waiting for the device; unused chunks have the segment ``S``.
    """
    segments = offsets.numel() - 1
    counts = (offsets.diff() + CHUNK_ROWS - 1) // CHUNK_ROWS
    chunk_offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    most = torch.arange(rows // CHUNK_ROWS + segments, device=offsets.device)
    return chunk_offsets, torch.searchsorted(chunk_offsets, most, right=True) - 1


def _sizes(width: int, pooling_heads: int, linear: bool) -> dict[str, Any]:
    columns = power_of_two(width)
    return {
        "WIDTH": width,
        "HEADS": pooling_heads,
        "LINEAR": linear,
        "COLUMNS": columns,
        "HEAD_SLOTS": power_of_two(pooling_heads),
        "CHUNK": CHUNK_ROWS,
        "ROWS": min(CHUNK_ROWS, max(1, TILE // columns)),
    }
