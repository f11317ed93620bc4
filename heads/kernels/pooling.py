"""Attention pooling of ragged segments: a softmax of scores over a segment weighs its rows."""

from __future__ import annotations

from torch import Tensor

from heads.kernels import pooling_cpu, pooling_reference
from heads.kernels.dispatch import Backend
from heads.kernels.eager import run_eagerly


def attention_pool(values: Tensor, scores: Tensor, offsets: Tensor, backend: Backend) -> Tensor:
    """Weigh each segment's rows by the softmax of their scores and add them up.

    Head ``h`` weighs columns ``h * D / H`` to ``(h + 1) * D / H``. Sums are kept in float32 or wider.

    Parameters
    ----------
    values
        ``(T, D)`` rows of all segments, one segment after another.
    scores
        ``(T, H)`` finite scores; ``H`` divides ``D``.
    offsets
        ``(S + 1,)`` int64, from 0 to ``T``, rising: no segment is empty.
    backend
        From `heads.kernels.dispatch.resolve_backend`.

    Returns
    -------
    Tensor
        ``(S, D)`` in the type of `values`.

    Raises
    ------
    ValueError
        If the shapes do not agree, there is no segment, or a segment is empty (checked on the CPU only:
        on a GPU it would wait for the device).
    """
    return run_eagerly(_pool, values, scores, None, offsets, backend)


def attention_pool_linear(values: Tensor, weight: Tensor, offsets: Tensor, backend: Backend) -> Tensor:
    """`attention_pool` with the scores ``values @ weight.T``, computed as the rows pass by.

    Neither scores nor weights of all rows are in memory at once, and the backward pass computes them again
    from the maximum and the sum of each segment.

    Parameters
    ----------
    values, offsets, backend
        As for `attention_pool`.
    weight
        ``(H, D)``; ``H`` divides ``D``.

    Returns
    -------
    Tensor
        ``(S, D)`` in the type of `values`.

    Raises
    ------
    ValueError
        As `attention_pool`.
    """
    return run_eagerly(_pool, values, None, weight, offsets, backend)


def check_segments(values: Tensor, offsets: Tensor) -> None:
    """Raise ValueError unless `offsets` cut ``(T, D)`` values into one or more segments, none empty."""
    if values.dim() != 2:
        raise ValueError(f"values must have shape (T, D), got {tuple(values.shape)}")
    if offsets.dim() != 1 or offsets.numel() < 2:
        raise ValueError(f"offsets must bound at least one segment, got shape {tuple(offsets.shape)}")
    if offsets.device.type == "cpu":
        first, last = int(offsets[0]), int(offsets[-1])
        if first != 0 or last != values.shape[0] or bool((offsets.diff() < 1).any()):
            raise ValueError(
                f"offsets must rise from 0 to {values.shape[0]} with no empty segment; they go from {first} "
                f"to {last}, the shortest segment has {int(offsets.diff().min())} rows"
            )


def _pool(
    values: Tensor, scores: Tensor | None, weight: Tensor | None, offsets: Tensor, backend: Backend
) -> Tensor:
    """Check and pool by exactly one of `scores` and `weight`."""
    check_segments(values, offsets)
    if scores is not None and (scores.dim() != 2 or scores.shape[0] != values.shape[0]):
        raise ValueError(f"{values.shape[0]} rows need as many rows of scores, got {tuple(scores.shape)}")
    if weight is not None and (weight.dim() != 2 or weight.shape[1] != values.shape[1]):
        raise ValueError(f"values of width {values.shape[1]} need such a weight, got {tuple(weight.shape)}")
    heads = scores.shape[1] if scores is not None else weight.shape[0] if weight is not None else 0
    if heads < 1 or values.shape[1] % heads:
        raise ValueError(f"{heads} heads do not divide width {values.shape[1]}")
    if backend == "cpu":
        return pooling_cpu.pool(values, scores, weight, offsets)
    if backend == "triton":
        # Imported here because Triton need not be installed.
        from heads.kernels import pooling_triton

        return pooling_triton.pool(values, scores, weight, offsets)
    return pooling_reference.pool(values, scores, weight, offsets)
