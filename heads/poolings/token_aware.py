"""Attention pooling over neighbourhoods of learnt extent."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from heads.options import AtLeastOne
from heads.poolings.weighted import AttentionPooling
from heads.ragged import Segments


class TokenAwarePooling(AttentionPooling):
    """`AttentionPooling` of rows that first average a neighbourhood of learnt extent.

    Token-aware average pooling (Guo et al. 2023, "Robustifying Token Attention for Vision Transformers"):
    each row mixes the averages of itself and its two neighbours at several distances, with weights computed
    from the row. Neighbours outside the segment do not count.

    Parameters
    ----------
    dim
        Width of the rows.
    dilations
        Distances of the neighbours; the row alone is one more choice.
    """

    order_sensitive = True

    def __init__(self, dim: int, dilations: tuple[AtLeastOne, ...] = (1, 2, 4)) -> None:
        super().__init__(dim)
        self.dilations = dilations
        self.choice = nn.Linear(dim, len(self.dilations) + 1)

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        return super().forward(self.averaged(values, segments), segments)

    def weights(self, values: Tensor, segments: Segments) -> Tensor:
        return super().weights(self.averaged(values, segments), segments)

    def averaged(self, values: Tensor, segments: Segments) -> Tensor:
        """Return ``(T, D)``: each row averaged with its neighbourhood."""
        parts = torch.softmax(self.choice(values), dim=1)
        mixed = values * parts[:, :1]
        for number, dilation in enumerate(self.dilations, start=1):
            mixed = mixed + parts[:, number : number + 1] * _neighbourhood(values, segments.ids, dilation)
        return mixed


def _neighbourhood(values: Tensor, ids: Tensor, dilation: int) -> Tensor:
    """Average each row with the rows `dilation` before and after it, where its segment has them."""
    rows = torch.arange(len(values), device=values.device)
    total, count = values, torch.ones_like(values[:, :1])
    for shift in (-dilation, dilation):
        other = (rows + shift).clamp(0, len(values) - 1)
        inside = ((other == rows + shift) & (ids[other] == ids)).unsqueeze(1).to(values.dtype)
        total, count = total + values[other] * inside, count + inside
    return total / count
