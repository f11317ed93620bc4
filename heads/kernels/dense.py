"""Attention of dense blocks, by the faster of two implementations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad, scaled_dot_product_attention

#: Largest number of scores of a block for the explicit softmax: 128 MiB in bfloat16.
_SCORES = 2**26
#: Lengths are padded to a multiple of this. oneDNN, which multiplies bfloat16, compiles a kernel for each
#: shape, which takes longer than the product; with few shapes this happens rarely.
_LENGTHS = 64
#: The fused kernel of the CPU is slow on widths that do not fill a vector register.
_WIDTHS = 16

#: Function from the length of a sequence to the ``(H, L, L)`` bias of its attention scores.
AttentionBias = Callable[[int], Tensor]


def attend_runs(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    runs: Sequence[tuple[int, int, int]],
    *,
    scale: float,
    bias: AttentionBias | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Compute the attention of each segment of queries over the segment of keys with the same index.

    Parameters
    ----------
    query
        ``(T, H, E)`` rows of all segments, one segment after another.
    key, value
        ``(T', H, E)``.
    runs
        Length ``L`` of the queries, length ``L'`` of the keys, and the number of consecutive segments with
        these lengths; each run is computed at once.
    scale, dropout
        See `dense_attention`.
    bias
        Bias of the scores, in the data type of the values.

    Returns
    -------
    Tensor
        ``(T, H * E)``.
    """
    # All parts are split in one call: the gradient of a slice would be as large as the full tensor.
    of_keys = [length * count for _, length, count in runs]
    parts = zip(
        runs,
        query.split([length * count for length, _, count in runs]),
        key.split(of_keys),
        value.split(of_keys),
        strict=True,
    )
    attended = []
    for (_, length, count), *run in parts:
        # Views, (G, H, L, E): nothing is copied or padded.
        queries, keys, values = (part.unflatten(0, (count, -1)).transpose(1, 2) for part in run)
        added = None if bias is None else bias(length).unsqueeze(0)
        mixed = dense_attention(queries, keys, values, scale=scale, bias=added, dropout=dropout)
        attended.append(mixed.transpose(1, 2).flatten(0, 1))
    return torch.cat(attended).flatten(1)


def dense_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float,
    bias: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Compute scaled dot-product attention.

    Where gradients are wanted in bfloat16 on a CPU, an explicit softmax takes about half the time of torch's
    fused kernel, forward and backward together; the scores are rounded to bfloat16.

    Parameters
    ----------
    query
        ``(G, H, L, E)``.
    key, value
        ``(G, H, L', E)``.
    scale
        Factor that multiplies the scores.
    bias
        Term added to the scores, ``(1, H, L, L')`` in the type of the values.
    dropout
        Probability with which an attention weight is dropped.

    Returns
    -------
    Tensor
        ``(G, H, L, E)``.
    """
    plain = (
        query.device.type == "cpu"
        and query.dtype == value.dtype == torch.bfloat16
        and torch.is_grad_enabled()
        and dropout == 0.0
        and query.shape[:3].numel() * key.shape[2] <= _SCORES
    )
    attended: Tensor
    if plain:
        attended = _PlainAttention.apply(query, key, value, bias, scale)
        return attended
    width = query.shape[3]
    query, key, value = (in_full_vectors(part) for part in (query, key, value))
    attended = scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout, scale=scale)
    return attended[..., :width]


def in_full_vectors(rows: Tensor) -> Tensor:
    """Append columns of zeros to ``(..., E)`` rows if that makes the kernel faster; they change no score."""
    spare = -rows.shape[-1] % _WIDTHS if rows.device.type == "cpu" else 0
    return pad(rows, (0, spare)) if spare else rows


class _PlainAttention(torch.autograd.Function):
    """An explicit softmax over padded lengths; the padding has zero weight."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float
    ) -> Tensor:
        length, partners = query.shape[2], key.shape[2]
        query, key, value = _filled(query, scale), _filled(key), _filled(value)
        with torch.autocast("cpu", enabled=False):
            scores = query @ key.transpose(2, 3)
            if bias is not None:
                scores[:, :, :length, :partners] += bias
            scores[..., partners:] = -torch.inf
            weights = torch.softmax(scores, dim=3)
            ctx.save_for_backward(query, key, value, weights)
            ctx.sizes = (length, partners, scale)
            return (weights @ value)[:, :, :length]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None, None]:
        query, key, value, weights = ctx.saved_tensors
        length, partners, scale = ctx.sizes
        grad = _filled(grad)
        of_value = weights.transpose(2, 3) @ grad
        of_scores = torch._softmax_backward_data(grad @ value.transpose(2, 3), weights, 3, weights.dtype)
        of_query = (of_scores @ key)[:, :, :length] * scale
        of_key = of_scores.transpose(2, 3) @ query  # The query was scaled.
        of_bias = (
            of_scores[:, :, :length, :partners].sum(0, keepdim=True) if ctx.needs_input_grad[3] else None
        )
        return of_query, of_key[:, :, :partners], of_value[:, :, :partners], of_bias, None


def _filled(rows: Tensor, scale: float = 1.0) -> Tensor:
    """Scale ``(G, H, L, E)`` and pad the length with zeros."""
    groups, attention_heads, length, width = rows.shape
    filled = rows.new_empty(groups, attention_heads, length + -length % _LENGTHS, width)
    torch.mul(rows, scale, out=filled[:, :, :length])
    filled[:, :, length:] = 0
    return filled
