"""Attention pooling on the CPU: a few dense operations on each cache-sized block of a segment's rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

from heads.kernels.pooling_reference import accumulation_type
from heads.ragged import Segments

#: Elements of a block of rows: 1 MiB in float32, the second-level cache of current processors.
BLOCK = 2**18


def pool(values: Tensor, scores: Tensor | None, weight: Tensor | None, segments: Segments) -> Tensor:
    """Pool ``(T, D)`` to ``(S, D)`` by ``(T, H)`` scores or by those that an ``(H, D)`` weight gives."""
    pooled: Tensor = _Pool.apply(values, scores, weight, segments.bounds)
    return pooled


class _Pool(torch.autograd.Function):
    """The autograd function; exactly one of `scores` and `weight` is not None."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, scores: Tensor | None, weight: Tensor | None, bounds: Sequence[int]
    ) -> Tensor:
        wide = accumulation_type(values.dtype)
        source = scores if weight is None else weight
        assert source is not None
        pooling_heads = source.shape[1] if weight is None else source.shape[0]
        project = None if weight is None else weight.to(wide)
        pooled = values.new_empty(len(bounds) - 1, values.shape[1], dtype=wide)
        peak = values.new_full((len(bounds) - 1, 1, pooling_heads), -torch.inf, dtype=wide)
        total = values.new_zeros(len(bounds) - 1, 1, pooling_heads, dtype=wide)
        for segment, rows, is_first in _blocks(bounds, values.shape[1]):
            block = values[rows].to(wide)
            score = _scores(block, project) if project is not None else source[rows].to(wide)
            top = score.amax(0, keepdim=True)
            if not is_first:
                top = torch.maximum(top, peak[segment])
            raised = (score - top).exp_()
            if is_first:
                total[segment] = raised.sum(0, keepdim=True)
                pooled[segment] = _weighted_sum(raised, block)
            else:
                shrink = (peak[segment] - top).exp_()
                total[segment].mul_(shrink).add_(raised.sum(0, keepdim=True))
                by_head = pooled[segment].view(pooling_heads, -1)
                by_head.mul_(shrink.view(-1, 1)).add_(_weighted_sum(raised, block).view(pooling_heads, -1))
            peak[segment] = top
        pooled.view(-1, pooling_heads, values.shape[1] // pooling_heads).div_(total.transpose(1, 2))
        ctx.bounds = bounds
        ctx.save_for_backward(values, scores, weight, pooled, peak, total)
        return pooled.to(values.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        values, scores, weight, pooled, peak, total = ctx.saved_tensors
        pooling_heads, wide = peak.shape[2], pooled.dtype
        grad = grad.to(wide)
        # The gradient of the softmax needs sum(weight * gradient of weight), which equals pooled . grad.
        shift = (pooled * grad).unflatten(1, (pooling_heads, -1)).sum(2).unsqueeze(1)
        project = None if weight is None else weight.to(wide)
        grad_values = torch.empty_like(values, memory_format=torch.contiguous_format)
        grad_scores = None if scores is None else torch.empty_like(scores)
        grad_weight = None if project is None else torch.zeros_like(project)
        for segment, rows, _ in _blocks(ctx.bounds, values.shape[1]):
            block = values[rows].to(wide)
            head_grad = grad[segment].view(pooling_heads, -1)
            score, change = _scores_and_changes(block, project, head_grad)
            if scores is not None:
                score = scores[rows].to(wide)
            weights = (score - peak[segment]).exp_().div_(total[segment])
            change.sub_(shift[segment]).mul_(weights)
            target = grad_values[rows]
            exact = target if target.dtype == wide else torch.empty_like(target, dtype=wide)
            torch.mul(weights.unsqueeze(2), head_grad, out=exact.view(-1, *head_grad.shape))
            if project is not None and grad_weight is not None:
                exact.addmm_(change, project)
                grad_weight.addmm_(change.T, block)
            if grad_scores is not None:
                grad_scores[rows] = change
            if exact is not target:
                target.copy_(exact)
        return grad_values, grad_scores, None if grad_weight is None else grad_weight.to(weight.dtype), None


def _blocks(bounds: Sequence[int], width: int) -> Iterator[tuple[int, slice, bool]]:
    """Yield, for each block of rows, its segment, the rows, and whether they are the first of the segment."""
    size = max(1, BLOCK // width)
    for segment, (start, end) in enumerate(pairwise(bounds)):
        for row in range(start, end, size):
            yield segment, slice(row, min(row + size, end)), row == start


def _scores(block: Tensor, project: Tensor) -> Tensor:
    """Return the ``(L, H)`` scores of ``(L, D)`` rows."""
    if project.shape[0] == 1:
        # Two columns take half the time of one: a matrix-vector product is the slower routine.
        return linear(block, torch.cat([project, project]))[:, :1].contiguous()
    return linear(block, project)


def _weighted_sum(weights: Tensor, block: Tensor) -> Tensor:
    """Sum ``(L, D)`` rows to ``(D,)``; each head's columns use their own column of the ``(L, H)`` weights."""
    if weights.shape[1] == 1:
        return (weights.T @ block).squeeze(0)
    return (block.unflatten(1, (weights.shape[1], -1)) * weights.unsqueeze(2)).sum(0).flatten()


def _scores_and_changes(block: Tensor, project: Tensor | None, head_grad: Tensor) -> tuple[Tensor, Tensor]:
    """Return ``(L, H)`` scores (empty without a weight) and gradients of the softmax's weights."""
    pooling_heads = head_grad.shape[0]
    if pooling_heads == 1:
        both = linear(block, torch.cat([head_grad if project is None else project, head_grad]))
        return both[:, :1], both[:, 1:]
    change = (block.unflatten(1, (pooling_heads, -1)) * head_grad).sum(2)
    return (change if project is None else linear(block, project)), change
