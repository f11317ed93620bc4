"""Multi-head attention inside ragged segments: a query sees the keys of its own segment only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import torch
from torch import Tensor

from heads.kernels.dense import attend_runs
from heads.ragged import rows_of_segments


def ragged_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_offsets: Tensor,
    key_offsets: Tensor,
    heads: int,
    dropout: float = 0.0,
) -> Tensor:
    """Scaled dot-product attention of each segment's queries over the same segment's keys.

    Neighbours of equal length are computed in one dense call, so there is neither padding nor a mask, and a
    segment's result does not depend on the others. On a GPU segments are first sorted
    by length, for fewer calls.

    Parameters
    ----------
    query
        ``(T, H * E)`` for ``H`` heads of width ``E``.
    key, value
        ``(T', H * E)``.
    query_offsets, key_offsets
        ``(S + 1,)`` each: segment ``s`` of the queries attends segment ``s`` of the keys.
    heads
        Number of heads, ``H``.
    dropout
        Probability with which an attention weight is dropped.

    Returns
    -------
    Tensor
        ``(T, H * E)``, rows in the order of `query`.
    """
    by_head = [part.unflatten(1, (heads, -1)) for part in (query, key, value)]
    attend = _in_order if query.device.type == "cpu" else by_length
    return attend(by_head, query_offsets, key_offsets, dropout)


def by_length(parts: Sequence[Tensor], query_offsets: Tensor, key_offsets: Tensor, dropout: float) -> Tensor:
    """Attend with segments sorted by length: `parts` are queries, keys and values ``(T, H, E)``."""
    query, key, value = parts
    lengths = torch.stack([query_offsets.diff(), key_offsets.diff()], dim=1)
    order = torch.unique(lengths, dim=0, return_inverse=True)[1].argsort(stable=True)
    query_rows, query_offsets = rows_of_segments(query_offsets, order)
    key_rows, key_offsets = rows_of_segments(key_offsets, order)
    picked = [query[query_rows], key[key_rows], value[key_rows]]
    return _in_order(picked, query_offsets, key_offsets, dropout)[query_rows.argsort()]


def _in_order(parts: Sequence[Tensor], query_offsets: Tensor, key_offsets: Tensor, dropout: float) -> Tensor:
    lengths = zip(query_offsets.diff().tolist(), key_offsets.diff().tolist(), strict=True)
    runs = [(*pair, len(list(run))) for pair, run in groupby(lengths)]
    query, key, value = parts
    return attend_runs(query, key, value, runs, scale=query.shape[2] ** -0.5, dropout=dropout)
