"""Attention pooling of ragged segments: rows are weighted by the softmax of their scores over the segment."""

from __future__ import annotations

from torch import Tensor

from heads.eager import run_eagerly
from heads.kernels import pooling_cpu, pooling_reference
from heads.kernels.dispatch import backend_for
from heads.ragged import Segments


def attention_pool(values: Tensor, scores: Tensor, segments: Segments) -> Tensor:
    """Sum each segment's rows, weighted by the softmax of their scores.

    Head ``h`` weighs columns ``h * D / H`` to ``(h + 1) * D / H``. Sums are kept in float32 or wider.

    Parameters
    ----------
    values
        ``(T, D)`` rows of all segments, one segment after another.
    scores
        ``(T, H)`` finite scores; ``H`` divides ``D``.
    segments
        Segments of the ``T`` rows.

    Returns
    -------
    Tensor
        ``(S, D)`` in the type of `values`.

    Raises
    ------
    ValueError
        If the shapes do not agree.
    """
    return run_eagerly(_pool, values, scores, None, segments)


def attention_pool_linear(values: Tensor, weight: Tensor, segments: Segments) -> Tensor:
    """Compute `attention_pool` with the scores ``values @ weight.T``, block by block.

    The scores and weights of all rows are never in memory at once; the backward pass recomputes them from the
    maximum and the sum of each segment.

    Parameters
    ----------
    values, segments
        See `attention_pool`.
    weight
        ``(H, D)``; ``H`` divides ``D``.

    Returns
    -------
    Tensor
        ``(S, D)`` in the type of `values`.

    Raises
    ------
    ValueError
        If the shapes do not agree.
    """
    return run_eagerly(_pool, values, None, weight, segments)


def _pool(values: Tensor, scores: Tensor | None, weight: Tensor | None, segments: Segments) -> Tensor:
    """Check the shapes and pool by exactly one of `scores` and `weight`."""
    if values.dim() != 2 or values.shape[0] != segments.rows:
        raise ValueError(
            f"segments of {segments.rows} rows need values ({segments.rows}, D), got {tuple(values.shape)}"
        )
    if scores is not None and (scores.dim() != 2 or scores.shape[0] != values.shape[0]):
        raise ValueError(f"{values.shape[0]} rows need as many rows of scores, got {tuple(scores.shape)}")
    if weight is not None and (weight.dim() != 2 or weight.shape[1] != values.shape[1]):
        raise ValueError(f"values of width {values.shape[1]} need such a weight, got {tuple(weight.shape)}")
    pooling_heads = scores.shape[1] if scores is not None else weight.shape[0] if weight is not None else 0
    if pooling_heads < 1 or values.shape[1] % pooling_heads:
        raise ValueError(f"{pooling_heads} heads do not divide width {values.shape[1]}")
    backend = backend_for(values)
    if backend == "cpu":
        return pooling_cpu.pool(values, scores, weight, segments)
    if backend == "triton":
        # Imported here because Triton need not be installed.
        from heads.kernels import pooling_triton

        return pooling_triton.pool(values, scores, weight, segments)
    return pooling_reference.pool(values, scores, weight, segments)
