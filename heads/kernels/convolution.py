"""Depthwise convolution along each ragged segment, with zeros outside of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import conv1d

from heads.eager import run_eagerly
from heads.kernels.pooling_reference import accumulation_type
from heads.ragged import Segments

#: Elements of a block of rows: 1 MiB in float32, the second-level cache of current processors.
BLOCK = 2**18


def depthwise_convolution(values: Tensor, weight: Tensor, segments: Segments) -> Tensor:
    """Convolve each column with its own kernel, within each segment.

    ``out[t, d] = sum_k weight[d, k] * values[t + k - K // 2, d]`` over the rows of t's segment, which is
    ``torch.nn.Conv1d(D, D, K, padding=K // 2, groups=D, bias=False)`` on each segment. Sums are kept in
    float32 or wider on the CPU.

    Parameters
    ----------
    values
        ``(T, D)`` rows of all segments, one segment after another.
    weight
        ``(D, K)``, ``K`` odd.
    segments
        Segments of the ``T`` rows.

    Returns
    -------
    Tensor
        ``(T, D)`` in the type of `values`.

    Raises
    ------
    ValueError
        If the kernel is even or the shapes do not agree.
    """
    if weight.dim() != 2 or weight.shape[1] % 2 == 0 or values.shape[1:] != weight.shape[:1]:
        raise ValueError(
            f"values (T, D) need a weight (D, K) with K odd, got {tuple(values.shape)} and "
            f"{tuple(weight.shape)}"
        )
    if values.device.type == "cpu":
        return run_eagerly(_run_cpu, values, weight, segments)
    return convolve_spread(values, weight, segments)


def convolve_spread(values: Tensor, weight: Tensor, segments: Segments) -> Tensor:
    """Compute `depthwise_convolution` as one dense convolution, with zeros inserted between segments."""
    reach = weight.shape[1] // 2
    places = torch.arange(values.shape[0], device=values.device) + (segments.ids + 1) * reach
    room = values.shape[0] + (len(segments) + 1) * reach
    spread = values.new_zeros(room, values.shape[1]).index_copy(0, places, values)
    convolved = conv1d(spread.T.unsqueeze(0), weight.unsqueeze(1), padding=reach, groups=weight.shape[0])
    return convolved.squeeze(0).T[places]


def _run_cpu(values: Tensor, weight: Tensor, segments: Segments) -> Tensor:
    convolved: Tensor = _Convolution.apply(values, weight, segments.bounds)
    return convolved


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, weight: Tensor, bounds: Sequence[int]) -> Tensor:
        ctx.save_for_backward(values, weight)
        ctx.bounds = bounds
        return _convolve(values, weight, bounds)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        values, weight = ctx.saved_tensors
        needs_values, needs_weight, _ = ctx.needs_input_grad
        grad_values = _convolve(grad, weight.flip(1), ctx.bounds) if needs_values else None
        grad_weight = _weight_gradient(values, grad, weight, ctx.bounds) if needs_weight else None
        return grad_values, grad_weight, None


def _convolve(values: Tensor, weight: Tensor, bounds: Sequence[int]) -> Tensor:
    wide = accumulation_type(values.dtype)
    rows_of_weight = weight.to(wide).T.contiguous()
    convolved = torch.empty_like(values, memory_format=torch.contiguous_format)
    for rows, window, shifts in _blocks(bounds, *weight.T.shape):
        source = values[window].to(wide)
        block = convolved[rows] if convolved.dtype == wide else convolved[rows].to(wide)
        torch.mul(
            source[rows.start - window.start :][: block.shape[0]], rows_of_weight[len(shifts) // 2], out=block
        )
        for tap, (target, origin) in enumerate(shifts):
            if tap != len(shifts) // 2:
                block[target].addcmul_(source[origin], rows_of_weight[tap])
        if convolved.dtype != wide:
            convolved[rows] = block
    return convolved


def _weight_gradient(values: Tensor, grad: Tensor, weight: Tensor, bounds: Sequence[int]) -> Tensor:
    wide = accumulation_type(values.dtype)
    total = weight.new_zeros(weight.shape[::-1], dtype=wide)
    for rows, window, shifts in _blocks(bounds, *weight.T.shape):
        source, block = values[window].to(wide), grad[rows].to(wide)
        for tap, (target, origin) in enumerate(shifts):
            total[tap] += (block[target] * source[origin]).sum(0)
    return total.T.to(weight.dtype)


def _blocks(
    bounds: Sequence[int], kernel: int, width: int
) -> Iterator[tuple[slice, slice, list[tuple[slice, slice]]]]:
    """Cut segments into blocks of rows.

    Yields the rows, the window of rows that they see, and for each tap which rows of the block take what
    rows of the window.
    """
    size, reach = max(1, BLOCK // width), kernel // 2
    for start, end in pairwise(bounds):
        for first in range(start, end, size):
            last = min(first + size, end)
            low, high = max(start, first - reach), min(end, last + reach)
            shifts = []
            for step in range(-reach, reach + 1):
                begin = min(max(first, low - step), last)
                stop = max(begin, min(last, high - step))
                shifts.append(
                    (slice(begin - first, stop - first), slice(begin + step - low, stop + step - low))
                )
            yield slice(first, last), slice(low, high), shifts
