"""Attention pooling in plain PyTorch: the reference for every other backend."""

from __future__ import annotations

import torch
from torch import Tensor

from heads.ragged import Segments, segment_softmax, segment_sum


def pool(values: Tensor, scores: Tensor | None, weight: Tensor | None, segments: Segments) -> Tensor:
    """Pool ``(T, D)`` to ``(S, D)`` by ``(T, H)`` scores or by those that an ``(H, D)`` weight gives."""
    wide = accumulation_type(values.dtype)
    rows = values.to(wide)
    if weight is not None:
        scores = rows @ weight.to(wide).T
    assert scores is not None
    weights = segment_softmax(scores.to(wide), segments)
    weighted = (rows.unflatten(1, (scores.shape[1], -1)) * weights.unsqueeze(2)).flatten(1)
    return segment_sum(weighted, segments).to(values.dtype)


def accumulation_type(dtype: torch.dtype) -> torch.dtype:
    """Return the type in which values of a type are summed: float64 for float64, otherwise float32."""
    return torch.promote_types(dtype, torch.float32)
