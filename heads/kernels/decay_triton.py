"""Sums of rows that decay with distance, on a GPU: each program computes a chunk of a segment's rows.

A first kernel sums ``k v^T`` over each chunk, a second one accumulates these sums from chunk to chunk in both
directions, and a third one computes the rows. The sum is linear in each of its three inputs, and its decay is
symmetric, so each gradient is again such a sum.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from heads.kernels import decay_triton_kernels as kernels
from heads.kernels.pooling_triton import CHUNK_ROWS, chunks_of
from heads.kernels.triton_sizes import matrix_side, product_precision, refuse_float64
from heads.ragged import Segments

#: Elements of a running sum that a program accumulates.
ELEMENTS = 512


def decayed_sums(query: Tensor, key: Tensor, value: Tensor, decays: Tensor, segments: Segments) -> Tensor:
    """Return ``sum_j decay^|i - j| (q_i k_j) v_j`` over the rows of each segment.

    Parameters
    ----------
    query, key, value
        ``(T, H, d)``.
    decays
        ``(H,)`` float32 factor per row of distance; it receives no gradient.
    segments
        Segments of the ``T`` rows.

    Returns
    -------
    Tensor
        ``(T, H, d)``, summed in float32.

    Raises
    ------
    ValueError
        If the values are float64, which the kernels would round.
    """
    refuse_float64(value)
    mixed: Tensor = _DecayedSums.apply(query, key, value, decays, segments.offsets)
    return mixed


class _DecayedSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, decays: Tensor, offsets: Tensor
    ) -> Tensor:
        ctx.save_for_backward(query, key, value, decays, offsets)
        return _sums(query, key, value, decays, offsets)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        query, key, value, *others = ctx.saved_tensors
        grad = grad.to(value.dtype)
        of_query = _sums(grad, value, key, *others).to(query.dtype)
        of_key = _sums(value, grad, query, *others).to(key.dtype)
        return of_query, of_key, _sums(key, query, grad, *others).to(value.dtype), None, None


def _sums(query: Tensor, key: Tensor, value: Tensor, decays: Tensor, offsets: Tensor) -> Tensor:
    query, key, value = (part.to(value.dtype).contiguous() for part in (query, key, value))
    rows, heads, width = value.shape
    segments = offsets.numel() - 1
    chunk_offsets, chunk_segment = chunks_of(offsets, rows)
    chunks = chunk_segment.numel()
    wide: dict[str, Any] = {"dtype": torch.float32, "device": value.device}
    states = torch.empty(chunks, 2, heads, width, width, **wide)
    mixed = torch.empty(value.shape, **wide)
    sizes = {"WIDTH": width, "HEADS": heads, "CHUNK": CHUNK_ROWS}
    products = {"COLUMNS": matrix_side(width), "PRECISION": product_precision(value)}
    kernels.sums[(chunks, heads)](
        key, value, decays, offsets, chunk_offsets, chunk_segment, states, segments, **sizes, **products
    )
    kernels.accumulate[(segments, 2 * heads, -(-(width**2) // ELEMENTS))](
        states, decays, chunk_offsets, **sizes, ELEMENTS=ELEMENTS
    )
    kernels.mix[(chunks, heads)](
        query, key, value, decays, offsets, chunk_offsets, chunk_segment, states, mixed, segments,
        **sizes, **products,
    )  # fmt: skip
    return mixed
