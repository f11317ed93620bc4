"""Pooling by weights that are learnt: each row is scored, and a segment's vector is their weighted sum."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from heads.kernels.dispatch import Backend, BackendName, resolve_backend
from heads.kernels.pooling import attention_pool, attention_pool_linear
from heads.pooling import Pooling
from heads.ragged import segment_ids, segment_softmax


class WeightedPooling(Pooling):
    """A weighted sum of a segment's rows, the weights a softmax of a score for each row (or row and head).

    Parameters
    ----------
    dim
        Width of the rows.
    backend
        Which kernel sums; see `heads.kernels.dispatch.resolve_backend`.
    """

    def __init__(self, dim: int, backend: BackendName = "auto") -> None:
        super().__init__(dim)
        self.backend = backend

    @abstractmethod
    def scores(self, values: Tensor) -> Tensor:
        """Return ``(T, H)`` scores, one for each of ``H`` heads, which pool their own columns."""

    def forward(self, values: Tensor, offsets: Tensor) -> Tensor:
        return attention_pool(values, self.scores(values), offsets, self.backend_on(values))

    def weights(self, values: Tensor, offsets: Tensor) -> Tensor:
        return segment_softmax(self.scores(values), offsets).mean(dim=1)

    def backend_on(self, values: Tensor) -> Backend:
        """Return the kernel that pools these values."""
        return resolve_backend(self.backend, values.device)


class AttentionPooling(WeightedPooling):
    """Softmax over the segment of one linear score without bias (arXiv 2505.20036)."""

    def __init__(self, dim: int, backend: BackendName = "auto") -> None:
        super().__init__(dim, backend)
        self.score = nn.Linear(dim, 1, bias=False)

    def scores(self, values: Tensor) -> Tensor:
        scores: Tensor = self.score(values)
        return scores

    def forward(self, values: Tensor, offsets: Tensor) -> Tensor:
        return attention_pool_linear(values, self.score.weight, offsets, self.backend_on(values))


class SigmoidPooling(WeightedPooling):
    """Average weighted by a gate, the sigmoid of one linear score (arXiv 2505.20036), over the gates' sum."""

    def __init__(self, dim: int, backend: BackendName = "auto") -> None:
        super().__init__(dim, backend)
        self.score = nn.Linear(dim, 1)

    def scores(self, values: Tensor) -> Tensor:
        # The softmax of their logarithms divides gates by their sum, also where all are near zero.
        return nn.functional.logsigmoid(self.score(values))


class MultiHeadAttentionPooling(AttentionPooling):
    """`AttentionPooling` with a score for each of several heads, which pools its own part of the columns.

    Parameters
    ----------
    dim
        Width of the rows, a multiple of `heads`.
    heads
        Number of heads.
    backend
        See `WeightedPooling`.
    """

    def __init__(self, dim: int, heads: int = 8, backend: BackendName = "auto") -> None:
        super().__init__(dim, backend)
        if dim % heads:
            raise ValueError(f"width {dim} must be a multiple of {heads} pooling heads")
        self.score = nn.Linear(dim, heads, bias=False)


class GatedAttentionPooling(WeightedPooling):
    """Softmax of a gated score, ``w . (tanh(V x) * sigmoid(U x))`` (Ilse et al. 2018, equation 9).

    Parameters
    ----------
    dim
        Width of the rows.
    hidden
        Width inside the score; a quarter of `dim` by default.
    backend
        See `WeightedPooling`.
    """

    def __init__(self, dim: int, hidden: int | None = None, backend: BackendName = "auto") -> None:
        super().__init__(dim, backend)
        width = hidden or max(1, dim // 4)
        self.content = nn.Linear(dim, width)
        self.gate = nn.Linear(dim, width)
        self.score = nn.Linear(width, 1, bias=False)

    def scores(self, values: Tensor) -> Tensor:
        gated = torch.tanh(self.content(values)) * torch.sigmoid(self.gate(values))
        scores: Tensor = self.score(gated)
        return scores


class TokenAwarePooling(AttentionPooling):
    """`AttentionPooling` of rows that first average a neighbourhood of learnt extent.

    Token-aware average pooling (Guo et al. 2023, "Robustifying Token Attention for Vision Transformers"):
    each row mixes the averages of itself and its two neighbours at several distances, in parts that it
    chooses itself. Neighbours outside the segment do not count.

    Parameters
    ----------
    dim
        Width of the rows.
    dilations
        Distances of the neighbours; the row alone is one more choice.
    backend
        See `WeightedPooling`.
    """

    ordered = True

    def __init__(
        self, dim: int, dilations: tuple[int, ...] = (1, 2, 4), backend: BackendName = "auto"
    ) -> None:
        super().__init__(dim, backend)
        self.dilations = tuple(dilations)
        self.choice = nn.Linear(dim, len(self.dilations) + 1)

    def forward(self, values: Tensor, offsets: Tensor) -> Tensor:
        return super().forward(self.averaged(values, offsets), offsets)

    def weights(self, values: Tensor, offsets: Tensor) -> Tensor:
        return super().weights(self.averaged(values, offsets), offsets)

    def averaged(self, values: Tensor, offsets: Tensor) -> Tensor:
        """Return ``(T, D)``: each row with its neighbourhood."""
        parts = torch.softmax(self.choice(values), dim=1)
        mixed = values * parts[:, :1]
        for number, dilation in enumerate(self.dilations, start=1):
            mixed = mixed + parts[:, number : number + 1] * _neighbourhood(values, offsets, dilation)
        return mixed


def _neighbourhood(values: Tensor, offsets: Tensor, dilation: int) -> Tensor:
    """Average each row with the rows `dilation` before and after it, where its segment has them."""
    ids = segment_ids(offsets)
    rows = torch.arange(len(values), device=values.device)
    total, count = values, torch.ones_like(values[:, :1])
    for shift in (-dilation, dilation):
        other = (rows + shift).clamp(0, len(values) - 1)
        inside = ((other == rows + shift) & (ids[other] == ids)).unsqueeze(1).to(values.dtype)
        total, count = total + values[other] * inside, count + inside
    return total / count
