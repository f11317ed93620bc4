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

    Sources: Yu et al. 2024, "Unveiling and Harnessing Hidden Attention Sinks" (ACT), where all heads do so,
    and Kang et al. 2025, "See What You Are Told: Visual Attention Sink in Large Multimodal Models" (VAR),
    where only those heads do that look at the other modality, here at the other side; see `crossing`. A sink
    of a head is a row that receives more than `threshold` times the mean weight. In training the inner
    attention is unchanged. The weights are formed, so memory grows with the square of the length.

    Parameters
    ----------
    heads, width, make_inner
        See `Wrapper`; the inner attention must form weights.
    share
        Part of the weight of a sink that it gives away.
    threshold
        How many times the mean weight makes a sink.
    crossing
        Change only partner-centric heads: in a segment with both sides, those that on average give more than
        this part of their weight to rows of the other side that are no sinks. All heads by default.

    Raises
    ------
    ValueError
        If the inner attention never forms weights; in the forward pass, if there is a `crossing` and the
        chains of the segments are not known.
    """

    about = About(
        "Yu et al. 2024, Unveiling and Harnessing Hidden Attention Sinks (ACT); Kang et al. 2025 (VAR)",
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
        crossing: Annotated[float, Range(above=0, below=1)] | None = None,
    ) -> None:
        super().__init__(heads, width, make_inner)
        if not self.inner.forms_weights:
            raise ValueError(
                f"recalibrated attention changes weights, but {type(self.inner).__name__} never forms them; "
                "choose an inner attention that does, such as softmax"
            )
        self.share, self.threshold, self.crossing = share, threshold, crossing

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        if self.training:
            return super().forward(query, key, value, segments)
        wide = torch.promote_types(torch.float32, query.dtype)
        weights = self.weights(query.to(wide), key.to(wide), segments)
        return mix([each.to(value.dtype) for each in weights], value, segments)

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor]:
        found = super().weights(query, key, segments)
        assert found is not None, "the constructor refuses an attention without weights"
        if self.training:
            return found
        if self.crossing is None:
            return [self._recalibrated(each, None) for each in found]
        return [self._recalibrated(each, side) for each, side in zip(found, _sides(segments), strict=True)]

    def _recalibrated(self, weights: Tensor, side: Tensor | None) -> Tensor:
        received = weights.mean(1, keepdim=True)
        sinks = received > self.threshold * received.mean(2, keepdim=True)
        given = self.share * (weights * sinks).sum(2, keepdim=True)
        others = (weights * ~sinks).sum(2, keepdim=True)
        # A row whose weight is on sinks alone keeps it.
        kept = torch.where((others > 0) & sinks, 1 - self.share, 1.0)
        raised = torch.where((others > 0) & ~sinks, 1 + given / others.clamp(min=1e-30), 1.0)
        changed = weights * (kept * raised).to(weights.dtype)
        if side is None or self.crossing is None:
            return changed
        across = (side.unsqueeze(1) != side).to(weights.device)
        partner_centric = (weights * (across & ~sinks)).sum(2).mean(1) > self.crossing
        return torch.where(partner_centric[:, None, None], changed, weights)


def _sides(segments: Segments) -> list[Tensor]:
    """Return the ``(n,)`` side of each row, for each segment of ``n`` rows."""
    if segments.chains is None:
        raise ValueError(
            "recalibrated attention with a crossing needs the chains of each segment, but the segments do "
            "not have them; give Segments.from_lengths(lengths, chains=...)"
        )
    return [torch.tensor([side for side, rows in chains for _ in range(rows)]) for chains in segments.chains]
