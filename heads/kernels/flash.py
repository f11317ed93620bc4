"""The flash attention of torch over ragged segments, and where it runs."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor


def flash_takes(query: Tensor) -> bool:
    """Return whether the kernel takes the ``(T, H, E)`` queries: half precision on a GPU, 8 divides ``E``."""
    half = query.dtype in (torch.float16, torch.bfloat16)
    width = query.shape[2]
    return query.is_cuda and half and width % 8 == 0 and width <= 256 and _has_flash(query.device)


def ragged_flash(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_offsets: Tensor,
    key_offsets: Tensor,
    longest_query: int,
    longest_key: int,
) -> Tensor:
    """Compute the attention of each segment's queries to its keys, with scores divided by ``sqrt(E)``.

    Parameters
    ----------
    query
        ``(T, H, E)``, for which `flash_takes` is true.
    key, value
        ``(T', H, E)``.
    query_offsets, key_offsets
        ``(S + 1,)`` int64.
    longest_query, longest_key
        Rows of the longest segment.

    Returns
    -------
    Tensor
        ``(T, H * E)``.
    """
    from torch.nn.attention.varlen import varlen_attn

    attended = varlen_attn(
        query, key, value, query_offsets.int(), key_offsets.int(), longest_query, longest_key
    )
    assert isinstance(attended, Tensor)  # The function returns a pair only on request.
    return attended.flatten(1)


@cache
def _has_flash(device: torch.device) -> bool:
    """Return whether the GPU and torch (2.10 and newer) support the kernel."""
    return (
        find_spec("torch.nn.attention.varlen") is not None
        and torch.backends.cuda.is_flash_attention_available()
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )
