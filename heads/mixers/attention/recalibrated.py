"""Recalibrated attention: at prediction, sinks give a share of their weight to the other rows."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from heads.about import About
from heads.mixers.attention.dense import mix
from heads.mixers.attention.wrapper import Inner, Wrapper
from heads.options import Range
from heads.ragged import Segments


class RecalibratedAttention(Wrapper):
    """Moves a share of the weight that sinks receive to the other rows, in proportion, without training.

    Source: Yu et al. 2024, "Unveiling and Harnessing Hidden Attention Sinks" (ACT: all heads). A sink of a
    head is a row that receives more than `threshold` times the mean weight. In training the inner attention
    is unchanged. The weights are formed, so memory grows with the square of the length.

    Parameters
    ----------
    heads, width, make_inner
        See `Wrapper`; the inner attention must form weights.
    share
        Part of the weight of a sink that it gives away.
    threshold
        How many times the mean weight makes a sink.

    Raises
    ------
    ValueError
        If the inner attention never forms weights.
    """

    about = About(
        "Yu et al. 2024, Unveiling and Harnessing Hidden Attention Sinks (ACT)",
        "n^2, memory too",
        "Wrapper: at prediction, attention sinks give a share of their weight to other residues.",
    )

    def __init__(
        self,
        heads: int,
        width: int,
        *,
        make_inner: Inner,
        share: Annotated[float, Range(above=0, most=1)] = 0.6,
        threshold: Annotated[float, Range(above=1)] = 5.0,
    ) -> None:
        super().__init__(heads, width, make_inner)
        if not self.inner.forms_weights:
            raise ValueError(
                f"recalibrated attention changes weights, but {type(self.inner).__name__} never forms them; "
                "choose an inner attention that does, such as softmax"
            )
        self.share, self.threshold = share, threshold

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        if self.training:
            return super().forward(query, key, value, segments)
        wide = torch.promote_types(torch.float32, query.dtype)
        weights = self.weights(query.to(wide), key.to(wide), segments)
        return mix([each.to(value.dtype) for each in weights], value, segments)

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor]:
        found = super().weights(query, key, segments)
        assert found is not None, "the constructor refuses an attention without weights"
        return found if self.training else [self._recalibrated(each) for each in found]

    def _recalibrated(self, weights: Tensor) -> Tensor:
        received = weights.mean(1, keepdim=True)
        sinks = received > self.threshold * received.mean(2, keepdim=True)
        given = self.share * (weights * sinks).sum(2, keepdim=True)
        others = (weights * ~sinks).sum(2, keepdim=True)
        # A row whose weight is on sinks alone keeps it.
        kept = torch.where((others > 0) & sinks, 1 - self.share, 1.0)
        raised = torch.where((others > 0) & ~sinks, 1 + given / others.clamp(min=1e-30), 1.0)
        return weights * (kept * raised).to(weights.dtype)
