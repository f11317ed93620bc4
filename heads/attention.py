"""Multi-head attention inside ragged segments: a query sees the keys of its own segment only."""

from __future__ import annotations

from itertools import groupby

from torch import Tensor

from heads.eager import run_eagerly
from heads.kernels.dense import attend_runs
from heads.kernels.dispatch import backend_for
from heads.kernels.flash import flash_takes, ragged_flash
from heads.ragged import Segments


def ragged_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_segments: Segments,
    key_segments: Segments,
    dropout: float = 0.0,
) -> Tensor:
    """Scaled dot-product attention of each segment's queries over the same segment's keys.

    There is neither padding nor a mask, and a segment's result does not depend on the others. On a GPU,
    torch's ragged flash kernel takes float16 and bfloat16 without dropout, if 8 divides `E`. Otherwise
    neighbours of equal length are computed in one dense call, on a GPU after sorting the segments by length.

    Parameters
    ----------
    query
        ``(T, H, E)`` for ``H`` heads of width ``E``.
    key, value
        ``(T', H, E)``.
    query_segments, key_segments
        ``S`` segments each: segment ``s`` of the queries attends segment ``s`` of the keys.
    dropout
        Probability with which an attention weight is dropped.

    Returns
    -------
    Tensor
        ``(T, H, E)``, rows in the order of `query`.
    """
    return run_eagerly(_attend, query, key, value, query_segments, key_segments, dropout)


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_segments: Segments,
    key_segments: Segments,
    dropout: float,
) -> Tensor:
    alike = query.dtype == key.dtype == value.dtype
    if alike and dropout == 0 and flash_takes(query) and backend_for(query) == "triton":
        cut = query_segments.offsets, key_segments.offsets
        longest = max(query_segments.lengths), max(key_segments.lengths)
        return ragged_flash(query, key, value, *cut, *longest).unflatten(1, query.shape[1:])
    attend = _in_order if query.device.type == "cpu" else by_length
    return attend(query, key, value, query_segments, key_segments, dropout)


def by_length(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_segments: Segments,
    key_segments: Segments,
    dropout: float,
) -> Tensor:
    """Compute the attention with the segments sorted by length."""
    lengths = list(zip(query_segments.lengths, key_segments.lengths, strict=True))
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    query_rows, query_segments = query_segments.take(order)
    key_rows, key_segments = key_segments.take(order)
    picked = query[query_rows], key[key_rows], value[key_rows]
    return _in_order(*picked, query_segments, key_segments, dropout)[query_rows.argsort()]


def _in_order(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_segments: Segments,
    key_segments: Segments,
    dropout: float,
) -> Tensor:
    lengths = zip(query_segments.lengths, key_segments.lengths, strict=True)
    runs = [(*pair, len(list(run))) for pair, run in groupby(lengths)]
    scale = query.shape[2] ** -0.5
    return attend_runs(query, key, value, runs, scale=scale, dropout=dropout).unflatten(1, query.shape[1:])
