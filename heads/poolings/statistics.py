"""Mean, standard deviation and maximum of each column: the best pooling for a read-out of trees."""

from __future__ import annotations

import torch
from torch import Tensor

from heads.poolings.base import Pooling
from heads.ragged import Segments, segment_max, segment_mean


class StatisticsPooling(Pooling):
    """Mean, standard deviation and largest value of each column over a segment's rows, concatenated.

    The weight of a row is its weight in the mean.

    Parameters
    ----------
    dim
        Width of the rows, ``D``; the vectors are ``3 D`` wide.
    """

    suits_chains = False

    def __init__(self, dim: int) -> None:
        super().__init__(3 * dim)

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        mean = segment_mean(values, segments)
        # Deviations from the mean avoid the difference of large squares; a single row has a deviation of 0.
        variance = segment_mean((values - mean[segments.ids]) ** 2, segments)
        return torch.cat([mean, variance.clamp(min=1e-12).sqrt(), segment_max(values, segments)], dim=1)

    def weights(self, values: Tensor, segments: Segments) -> Tensor:
        return (1 / segments.offsets.diff())[segments.ids].to(values.dtype)
