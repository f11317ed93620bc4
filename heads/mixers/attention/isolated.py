"""Isolated attention: chains of one side do not attend each other."""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor

from heads.about import About
from heads.attention import ragged_attention
from heads.mixers.attention.base import Attention
from heads.mixers.attention.dense import scores_of
from heads.ragged import Segments


class IsolatedAttention(Attention):
    """Softmax attention in which a residue sees its own chain and the chains of the other side.

    Source: "Improving Multi-Subject Consistency in Open-Domain Image Generation with
    Isolation and Reposition Attention" (IR-Diffusion, 2024). It matters for segments that hold several
    chains: those of the heads sc and pad. The mixer's option ``reposition`` is the second half of the paper.

    Raises
    ------
    ValueError
        In the forward pass, if the chains of the segments are not known.
    """

    order_sensitive = True  # A residue's place says to which chain it belongs.
    about = About(
        "IR-Diffusion 2024, Isolation and Reposition Attention",
        "n^2",
        "Chains of one side do not attend each other, only themselves and the other side.",
    )

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        chains, rows, seen = list[int](), list[Tensor](), list[int]()
        for of_chain, of_others in _spans(segments):
            chains.append(len(of_chain))
            rows += [torch.arange(span.start, span.stop) for span in (of_chain, *of_others)]
            seen.append(sum(map(len, (of_chain, *of_others))))
        picked, device = torch.cat(rows).to(query.device), query.device
        of_queries, of_keys = Segments.from_lengths(chains, device), Segments.from_lengths(seen, device)
        keys, values = key.index_select(0, picked), value.index_select(0, picked)
        return ragged_attention(query, keys, values, of_queries, of_keys)

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor]:
        seen = query.new_full((segments.rows, segments.rows), -torch.inf)
        for of_chain, of_others in _spans(segments):
            for span in (of_chain, *of_others):
                seen[of_chain.start : of_chain.stop, span.start : span.stop] = 0
        inside = [
            slice(start, start + rows)
            for start, rows in zip(segments.bounds[:-1], segments.lengths, strict=True)
        ]
        scores = zip(inside, scores_of(query, key, segments), strict=True)
        return [(each + seen[rows, rows]).softmax(2) for rows, each in scores]


def _spans(segments: Segments) -> list[tuple[range, list[range]]]:
    """Return the rows of each chain, and those of the chains of the other side of its segment."""
    if segments.chains is None:
        raise ValueError(
            "isolated attention needs the chains of each segment, but the segments do not have them; give "
            "Segments.from_lengths(lengths, chains=...)"
        )
    found = []
    for start, chains in zip(segments.bounds[:-1], segments.chains, strict=True):
        starts = accumulate((rows for _, rows in chains), initial=start)
        spans = [
            (side, range(first, first + rows)) for first, (side, rows) in zip(starts, chains, strict=False)
        ]
        for side, span in spans:
            found.append((span, [other for other_side, other in spans if other_side != side]))
    return found
