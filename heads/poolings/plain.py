"""Poolings without parameters."""

from __future__ import annotations

from torch import Tensor

from heads.poolings.base import Pooling
from heads.ragged import Segments, segment_max, segment_mean, segment_sum


class MeanPooling(Pooling):
    """The average of a segment's rows."""

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        return segment_mean(values, segments)

    def weights(self, values: Tensor, segments: Segments) -> Tensor:
        return (1 / segments.offsets.diff())[segments.ids].to(values.dtype)


class MaxPooling(Pooling):
    """The largest value of each column in a segment.

    The weight of a row is the fraction of columns whose largest value it holds; tied rows share equally.
    """

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        return segment_max(values, segments)

    def weights(self, values: Tensor, segments: Segments) -> Tensor:
        reached = (values == segment_max(values, segments)[segments.ids]).to(values.dtype)
        return (reached / segment_sum(reached, segments)[segments.ids]).mean(dim=1)
