"""Attention pooling in plain PyTorch: what every other backend must agree with."""

from __future__ import annotations

import torch
from torch import Tensor

from heads.ragged import segment_ids


def pool(values: Tensor, scores: Tensor | None, weight: Tensor | None, offsets: Tensor) -> Tensor:
    """Pool ``(T, D)`` to ``(S, D)`` by ``(T, H)`` scores or by those that an ``(H, D)`` weight gives."""
    wide = accumulation_type(values.dtype)
    rows = values.to(wide)
    if weight is not None:
        scores = rows @ weight.to(wide).T
    assert scores is not None
    ids, segments = segment_ids(offsets), offsets.numel() - 1
    weights = _softmax(scores.to(wide), ids, segments)
    weighted = (rows.unflatten(1, (scores.shape[1], -1)) * weights.unsqueeze(2)).flatten(1)
    total = weighted.new_zeros(segments, values.shape[1])
    return total.index_add(0, ids, weighted).to(values.dtype)


def accumulation_type(dtype: torch.dtype) -> torch.dtype:
    """Return the type in which sums over values of a type are kept: float32, or float64 for its own."""
    return torch.promote_types(dtype, torch.float32)


def _softmax(scores: Tensor, ids: Tensor, segments: int) -> Tensor:
    """Softmax of each column of ``(T, H)`` scores over the rows of each segment."""
    rows = ids.unsqueeze(1).expand_as(scores)
    peak = scores.new_full((segments, scores.shape[1]), -torch.inf)
    peak = peak.scatter_reduce(0, rows, scores.detach(), "amax")
    raised = (scores - peak[ids]).exp()
    total = raised.new_zeros(segments, scores.shape[1]).index_add(0, ids, raised)
    return raised / total[ids]
