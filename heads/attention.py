"""Multi-head attention inside ragged segments: a query sees the keys of its own segment only."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

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
    rows, blocks = [], []
    for query_rows, key_rows in equal_length_groups(query_offsets, key_offsets):
        attended = scaled_dot_product_attention(
            _split_heads(query[query_rows], heads, width),
            _split_heads(key[key_rows], heads, width),
            _split_heads(value[key_rows], heads, width),
            dropout_p=dropout,
            scale=width**-0.5,
        )
        rows.append(query_rows.flatten())
        blocks.append(attended[..., :width].transpose(1, 2).reshape(-1, heads * width))
    order = torch.cat(rows).argsort()
    return torch.cat(blocks)[order]


def _split_heads(block: Tensor, heads: int, width: int) -> Tensor:
    """``(G, L, H * E)`` to ``(G, H, L, E')``, E' being E filled up with zeros to a multiple of 16.

    The zeros change no score, and the CPU kernels are slow on widths that do not fill a vector register.
    """
    return pad(block.unflatten(2, (heads, width)).transpose(1, 2), (0, -width % 16))
