"""Multi-head attention inside ragged segments: a query sees the keys of its own segment only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from heads.kernels.dense import dense_attention
from heads.ragged import equal_length_groups


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

    Segments of equal length are stacked and computed in one dense call, so there is neither padding nor
    a mask, and a segment's result does not depend on the others.

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
    width = query.shape[1] // heads
    groups = list(equal_length_groups(query_offsets, key_offsets))
    query_rows, key_rows = zip(*groups, strict=True)
    order = torch.cat([rows.flatten() for rows in query_rows])
    # Sorted once and then split: to pick or slice each group by itself would make its gradient as long as
    # that of all rows.
    parts = (
        _grouped(query, query_rows, heads),
        _grouped(key, key_rows, heads),
        _grouped(value, key_rows, heads),
    )
    blocks = []
    for queries, keys, values in zip(*parts, strict=True):
        attended = dense_attention(queries, keys, values, scale=width**-0.5, dropout=dropout)
        blocks.append(attended[..., :width].transpose(1, 2).reshape(-1, heads * width))
    return torch.cat(blocks)[order.argsort()]


def _grouped(values: Tensor, groups: Sequence[Tensor], heads: int) -> list[Tensor]:
    """``(T, H * E)`` to ``(G, H, L, E')`` for each ``(G, L)`` rows, E' being E filled up to a multiple of 16.

    The zeros change no score, and the CPU kernels are slow on widths that do not fill a vector register.
    """
    width = values.shape[1] // heads
    order = torch.cat([rows.flatten() for rows in groups])
    split = pad(values[order].unflatten(1, (heads, width)), (0, -width % 16)).split(
        [rows.numel() for rows in groups]
    )
    return [part.unflatten(0, rows.shape).transpose(1, 2) for part, rows in zip(split, groups, strict=True)]
