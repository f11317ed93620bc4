"""Flow attention: linear attention that conserves the flow between residues."""

from __future__ import annotations

import torch
from torch import Tensor

from heads.about import About
from heads.mixers.attention.base import Attention
from heads.mixers.attention.blocks import Blocks
from heads.ragged import Segments, segment_softmax, segment_sum

_BLOCK = 64


class FlowAttention(Attention):
    """Attention as a flow from sources (values) to sinks (results), each of which is conserved.

    Source: Wu et al. 2022, "Flowformer: Linearizing Transformers with Conservation Flows". With
    ``f = sigmoid``: ``in_i = f(q_i) sum f(k)``, ``out_j = f(k_j) sum f(q)``; sources compete by
    ``n softmax(f(k_j) sum f(q) / in)``, and a sink takes ``sigmoid(f(q_i) sum f(k) / out)`` of what arrives.
    """

    order_sensitive = False
    about = About(
        "Wu et al. 2022, Flowformer",
        "n",
        "Linear attention in which residues compete to send and share what they receive.",
    )

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        wide = torch.promote_types(torch.float32, value.dtype)
        sinks, sources = query.to(wide).sigmoid(), key.to(wide).sigmoid()
        incoming = _dot(sinks, sources, segments)
        outgoing = _dot(sources, sinks, segments)
        kept_by_sinks = _dot(sinks, sources / outgoing.unsqueeze(2), segments)
        kept_by_sources = _dot(sources, sinks / incoming.unsqueeze(2), segments)
        lengths = segments.offsets.diff()[segments.ids].unsqueeze(1)
        competition = segment_softmax(kept_by_sources, segments) * lengths
        sent = value * competition.unsqueeze(2).to(value.dtype)
        received = _transport(sinks / incoming.unsqueeze(2), sources, sent, segments)
        return (received * kept_by_sinks.sigmoid().unsqueeze(2)).to(value.dtype)


def _dot(rows: Tensor, others: Tensor, segments: Segments) -> Tensor:
    """Return ``(T, H)``: the product of each row with the sum of the others of its segment."""
    totals = segment_sum(others.flatten(1), segments)[segments.ids].view_as(rows)
    return (rows * totals).sum(2)


def _transport(sinks: Tensor, sources: Tensor, sent: Tensor, segments: Segments) -> Tensor:
    """Return ``(T, H, d)``: ``sinks_i . sum_j sources_j sent_j`` over the rows of the segment."""
    blocks = Blocks.of(segments, _BLOCK)
    to_sinks, from_sources, values = (blocks.split(part.to(sent.dtype)) for part in (sinks, sources, sent))
    states = blocks.totals((from_sources.transpose(2, 3) @ values).to(sinks.dtype))
    return blocks.join(to_sinks @ states.to(sent.dtype))
