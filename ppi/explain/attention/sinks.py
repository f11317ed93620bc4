"""Attention sinks: rows that receive far more attention than others."""

from __future__ import annotations

import torch
from torch import Tensor

from ppi.explain.attention.view import LayerView


def received(view: LayerView) -> Tensor:
    """Return ``(H, n)``: the mean attention that each row receives, ``a_k = sum_i A_ik / n``.

    It is the importance of a token in Gu et al. 2024 ("When Attention Sink Emerges in Language Models"),
    whose mean is over the later tokens of a causal model; here every row attends every row. It sums to 1.
    """
    return view.weights.mean(dim=1)


def measurable(view: LayerView, epsilon: float) -> bool:
    """Return whether a unit is so long that uniform attention makes no sinks: ``n > 1 / epsilon``."""
    return view.weights.shape[2] * epsilon > 1


def largest_received(view: LayerView, epsilon: float) -> Tensor:
    """Return ``(H,)``: the largest mean attention that a row receives, ``max_k a_k``."""
    return received(view).amax(dim=1)


def sink_rate(view: LayerView, epsilon: float, kind: int | None = None) -> Tensor:
    """Return ``(H,)``: 1 where a row, of a kind if one is given, has ``a_k > epsilon``, else 0.

    The mean over units is the sink rate of Gu et al. 2024, who ask this of the first token. Other rows become
    sinks as well (Yu et al. 2024, "Unveiling and Harnessing Hidden Attention Sinks"). It is NaN for a unit
    that is too short; see `measurable`.
    """
    if not measurable(view, epsilon):
        return torch.full_like(view.weights[:, 0, 0], torch.nan)
    sinks = received(view) > epsilon
    chosen = sinks if kind is None else sinks & (view.rows.kind == kind)
    return chosen.any(dim=1).to(view.weights.dtype)
