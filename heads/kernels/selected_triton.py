"""Softmax attention of blocks of rows over selected blocks and summaries, on a GPU.

Each program computes one block of queries in one head: it visits the blocks that are listed for it, and then
the summaries, with a running maximum and sum, so that no weight and no copy of a key is stored. Backward, one
kernel visits the same blocks for the gradient of the queries, one visits for each block of keys the blocks of
queries that chose it, and one computes the summaries.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from heads.kernels import selected_triton_kernels as kernels
from heads.kernels.triton_sizes import matrix_side, product_precision, refuse_float64

#: Summaries that a program takes at a time, and its warps.
SUMMARIES = 32
WARPS = 8


def attend_blocks(
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
    refuse_float64(value)
    summarised, mean_keys, mean_values = summaries or (None, None, None)
    mixed: Tensor = _Selected.apply(
        query, key, value, mean_keys, mean_values, sizes, chosen, summarised, largest
    )
    return mixed


class _Selected(torch.autograd.Function):
    """The autograd function; the summaries are None together."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mean_keys: Tensor | None,
        mean_values: Tensor | None,
        sizes: Tensor,
        chosen: Tensor,
        summarised: Tensor | None,
        largest: int,
    ) -> Tensor:
        query, key, value = (part.to(value.dtype).contiguous() for part in (query, key, value))
        means = [
            part if part is None else part.to(value.dtype).contiguous() for part in (mean_keys, mean_values)
        ]
        flags = None if summarised is None else summarised.to(torch.uint8).contiguous()
        (blocks, heads, _), starts = chosen.shape, sizes.cumsum(0) - sizes
        mixed = torch.empty_like(value)
        logarithms = torch.empty(value.shape[:2], dtype=torch.float32, device=value.device)
        constants = _constants(value, largest)
        kernels.forward[(blocks, heads)](
            query, key, value, starts, sizes, *_lists(chosen), *means, flags, mixed, logarithms, blocks,
            SUMMARISED=flags is not None, SUMMARIES=SUMMARIES, **constants,
        )  # fmt: skip
        ctx.save_for_backward(query, key, value, *means, sizes, starts, chosen, flags, mixed, logarithms)
        ctx.constants = constants
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *means, sizes, starts, chosen, flags, mixed, logarithms = ctx.saved_tensors
        blocks, heads, _ = chosen.shape
        grad = grad.to(value.dtype).contiguous()
        # The gradient of the softmax needs sum(weight * gradient of weight), which equals mixed . grad.
        shifts = (mixed.float() * grad.float()).sum(2)
        of_query, of_key, of_value = (torch.empty_like(part) for part in (query, key, value))
        kernels.of_queries[(blocks, heads)](
            query, key, value, starts, sizes, *_lists(chosen), *means, flags, grad, logarithms, shifts,
            of_query, blocks, SUMMARISED=flags is not None, SUMMARIES=SUMMARIES, **ctx.constants,
        )  # fmt: skip
        kernels.of_keys[(blocks, heads)](
            query, key, value, starts, sizes, *_lists(chosen.transpose(0, 2)), grad, logarithms, shifts,
            of_key, of_value, blocks, **ctx.constants,
        )  # fmt: skip
        of_means: list[Tensor | None] = [None, None]
        if flags is not None:
            of_means = [torch.empty_like(part) for part in means]
            kernels.of_summaries[(-(-blocks // SUMMARIES), heads)](
                query, starts, sizes, *means, flags, grad, logarithms, shifts, *of_means, blocks,
                SUMMARIES=SUMMARIES, **ctx.constants,
            )  # fmt: skip
        return of_query, of_key, of_value, *of_means, None, None, None, None


def _lists(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the chosen blocks first, ``(N, H, N)`` int32, and their numbers ``(N, H)`` int32."""
    order = chosen.to(torch.uint8).sort(dim=2, descending=True, stable=True).indices
    return order.to(torch.int32).contiguous(), chosen.sum(2, dtype=torch.int32).contiguous()


def _constants(value: Tensor, largest: int) -> dict[str, Any]:
    _, heads, width = value.shape
    return {
        "HEADS": heads,
        "WIDTH": width,
        "COLUMNS": matrix_side(width),
        "ROWS": matrix_side(largest),
        "SCALE": width**-0.5,
        "num_warps": WARPS,
        "PRECISION": product_precision(value),
    }
