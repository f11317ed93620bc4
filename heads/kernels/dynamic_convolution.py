"""Convolution along each ragged segment with one kernel per row and head, as banded matrix products."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from heads.ragged import Segments

#: Rows of a block. A product with the band takes ``(BLOCK + K - 1) / K`` times the operations of the
#: convolution, and still a fraction of the time of copying ``K`` neighbours for each row.
BLOCK = 32
WIDEST_KERNEL = 2 * BLOCK + 1


def dynamic_convolution(values: Tensor, weights: Tensor, segments: Segments) -> Tensor:
    """Sum the neighbours of each row with that row's weights, within each segment.

    ``out[t, h] = sum_k weights[t, h, k] * values[t + k - K // 2, h]`` over the rows of t's segment, for
    each head ``h`` (the convolution of ConvBERT: Jiang et al., NeurIPS 2020).

    Parameters
    ----------
    values
        ``(T, H * E)`` rows of all segments, one segment after another; finite.
    weights
        ``(T, H, K)``, ``K`` odd and at most ``WIDEST_KERNEL``.
    segments
        Segments of the ``T`` rows.

    Returns
    -------
    Tensor
        ``(T, H * E)`` in the type that `values` and `weights` share.

    Raises
    ------
    ValueError
        If the kernel is even or too wide, or the shapes do not agree.
    """
    rows, convolution_heads, kernel = weights.shape
    if (
        kernel % 2 == 0
        or kernel > WIDEST_KERNEL
        or values.shape[0] != rows
        or values.shape[1] % convolution_heads
    ):
        raise ValueError(
            f"values (T, H * E) need weights (T, H, K) with K odd and at most {WIDEST_KERNEL}, got "
            f"{tuple(values.shape)} and {tuple(weights.shape)}"
        )
    spare = -rows % BLOCK
    band = _banded(pad(weights * inside_segment(segments, kernel).unsqueeze(1), (0, 0, 0, 0, 0, spare)))
    blocks = (
        pad(values, (0, 0, BLOCK, BLOCK + spare))
        .unflatten(0, (-1, BLOCK))
        .unflatten(2, (convolution_heads, -1))
    )
    reach = kernel // 2
    window = torch.cat([blocks[:-2, BLOCK - reach :], blocks[1:-1], blocks[2:, :reach]], dim=1)
    return (band @ window.transpose(1, 2)).transpose(1, 2).flatten(2).flatten(0, 1)[:rows]


def inside_segment(segments: Segments, kernel: int) -> Tensor:
    """Return ``(T, K)`` bool: which neighbours of each row lie in its segment."""
    ids, offsets = segments.ids, segments.offsets
    step = torch.arange(kernel, device=ids.device) - kernel // 2
    neighbours = torch.arange(ids.numel(), device=ids.device).unsqueeze(1) + step
    return (neighbours >= offsets[ids].unsqueeze(1)) & (neighbours < offsets[ids + 1].unsqueeze(1))


def _banded(weights: Tensor) -> Tensor:
    """Convert ``(N * BLOCK, H, K)`` to ``(N, H, BLOCK, BLOCK + K - 1)``: row ``i`` of a block is shifted by
    ``i``.

    Rows of ``BLOCK + K`` numbers that are read as rows one shorter shift by one from row to row.
    """
    kernel = weights.shape[2]
    wide = pad(weights, (0, BLOCK)).unflatten(0, (-1, BLOCK)).transpose(1, 2).flatten(2)
    return wide[..., : BLOCK * (BLOCK + kernel - 1)].unflatten(2, (BLOCK, -1))
