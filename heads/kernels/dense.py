"""Attention of dense blocks, by the faster of two ways."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

#: Scores of a block that are worth their memory: 128 MiB in bfloat16.
_SCORES = 2**26


def dense_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float,
    bias: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Scaled dot-product attention.

    Where gradients are wanted in bfloat16 on a CPU, plain products take about half the time of the fused
    kernel of torch on one thread, forwards and backwards together; the scores are rounded to bfloat16.

    Parameters
    ----------
    query
        ``(G, H, L, E)``.
    key, value
        ``(G, H, L', E)``.
    scale
        Factor of the scores.
    bias
        Added to the scores; ``(1, H, L, L')`` in the type of the values.
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
    if not plain:
        return scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout, scale=scale)
    with torch.autocast("cpu", enabled=False):
        scores = (query * scale) @ key.transpose(2, 3)
        return torch.softmax(scores if bias is None else scores + bias, dim=3) @ value
