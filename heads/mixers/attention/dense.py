"""Attention whose weights are formed, in tiles of rows, for variants that no fused kernel computes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from heads.ragged import Segments

#: Largest number of scores of a tile. On the CPU, 2 MiB in float32 stay in the cache of a core; a GPU needs
#: larger tiles to be busy.
_SCORES = {"cpu": 2**19, "cuda": 2**24}

#: Function from the ``(h, m, n)`` scores of some heads and some of the ``n`` rows of a segment, and these
#: heads, to the weights. It may change the scores in place.
Weigh = Callable[[Tensor, slice], Tensor]


def scores_of(query: Tensor, key: Tensor, segments: Segments) -> list[Tensor]:
    """Return ``q k / sqrt(d)`` of each segment, ``(H, n, n)``, from ``(T, H, d)`` queries and keys."""
    pairs = zip(query.split(segments.lengths), key.split(segments.lengths), strict=True)
    return [_scores(rows.transpose(0, 1), others.transpose(0, 1)) for rows, others in pairs]


def attend_by_tiles(query: Tensor, key: Tensor, value: Tensor, segments: Segments, weigh: Weigh) -> Tensor:
    """Compute ``weigh(q k / sqrt(d)) v`` of each segment with memory that is linear in its length.

    A long segment is computed in tiles of heads and queries; training computes the weights of a tile again
    instead of keeping them.

    Parameters
    ----------
    query, key, value
        ``(T, H, d)``.
    segments
        Segments of the ``T`` rows.
    weigh
        Function that turns scores into weights.

    Returns
    -------
    Tensor
        ``(T, H, d)``.
    """
    mixed, most = [], _SCORES.get(query.device.type, _SCORES["cpu"])
    for parts in zip(*(part.split(segments.lengths) for part in (query, key, value)), strict=True):
        queries, *others = (part.transpose(0, 1) for part in parts)
        heads, length, _ = queries.shape
        together = heads * length**2 <= most
        each = [slice(0, heads)] if together else [slice(head, head + 1) for head in range(heads)]
        by_head = [_of_heads(queries, others[0], others[1], weigh, some, most, not together) for some in each]
        mixed.append(torch.cat(by_head).transpose(0, 1))
    return torch.cat(mixed)


def mix(weights: list[Tensor], value: Tensor, segments: Segments) -> Tensor:
    """Return ``(T, H, d)`` sums of values from the ``(H, n, n)`` weights of each segment."""
    parts = zip(weights, value.split(segments.lengths), strict=True)
    return torch.cat([(each @ rows.transpose(0, 1)).transpose(0, 1) for each, rows in parts])


def _of_heads(
    query: Tensor, key: Tensor, value: Tensor, weigh: Weigh, heads: slice, most: int, again: bool
) -> Tensor:
    """Return ``(h, n, d)`` of some heads of one segment, `most` scores at a time."""
    tiles, others = query[heads].split(max(1, most // query.shape[1]), dim=1), (key[heads], value[heads])
    if again and torch.is_grad_enabled():
        mixed = [
            checkpoint(_tile, tile, *others, weigh, heads, use_reentrant=False, preserve_rng_state=False)
            for tile in tiles
        ]
    else:
        mixed = [_tile(tile, *others, weigh, heads) for tile in tiles]
    return torch.cat(mixed, dim=1)


def _tile(query: Tensor, key: Tensor, value: Tensor, weigh: Weigh, heads: slice) -> Tensor:
    return weigh(_scores(query, key), heads) @ value


def _scores(query: Tensor, key: Tensor) -> Tensor:
    """Return ``(H, m, n)`` scaled scores of ``(H, m, d)`` and ``(H, n, d)``."""
    return (query * query.shape[2] ** -0.5) @ key.transpose(1, 2)
