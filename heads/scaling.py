"""Columns of residue embeddings on one scale."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class ColumnScaling(nn.Module):
    """Subtract a mean from each column of embeddings and divide by a standard deviation.

    Hidden layers of a language model differ in scale by orders of magnitude, and a few of their columns are
    far larger than the others. A network that reads them as they are does not train.

    Parameters
    ----------
    dim
        Width of the embeddings, ``D``. Until `fit`, nothing is changed.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))

    @property
    def fitted(self) -> bool:
        """Whether it changes anything."""
        return bool((self.deviation != 1).any())

    def forward(self, values: Tensor) -> Tensor:
        """Return ``(T, D)`` scaled embeddings, in the data type of the embeddings."""
        return ((values - self.mean) / self.deviation).to(values.dtype)

    @torch.no_grad()
    def fit(self, parts: Iterable[Tensor]) -> None:
        """Set the mean and the standard deviation to those of embeddings, given as ``(T, D)`` parts.

        The standard deviation of a column that does not vary is 1.
        """
        count, total, squares = 0, torch.zeros(()), torch.zeros(())
        for part in parts:
            values = part.double().cpu()
            count, total, squares = count + len(values), total + values.sum(0), squares + (values**2).sum(0)
        mean = total / count
        deviation = (squares / count - mean**2).clamp(min=0).sqrt()
        varies = deviation > 1e-6 * mean.abs().clamp(min=1)
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(varies, deviation, torch.ones_like(deviation)))
