"""A sigmoid gate after any attention."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from heads.about import About
from heads.mixers.attention.wrapper import Inner, Wrapper
from heads.ragged import Segments


class GatedAttention(Wrapper):
    """``sigmoid(q W) * attention``: a row can take nothing from its segment, without a sink.

    Source: Qiu et al. 2025, "Gated Attention for Large Language Models". The mixer's option ``gate`` computes
    the same gate from the row instead of from its query. The weights are those before the gate.

    Parameters
    ----------
    heads, width, make_inner
        See `Wrapper`.
    gate
        One gate for each head, or one for each element.
    """

    about = About(
        "Qiu et al. 2025, Gated Attention for Large Language Models",
        "that of the inner attention",
        "Wrapper: a gate after the attention, so that a residue can take nothing without a sink.",
    )

    def __init__(
        self, heads: int, width: int, *, make_inner: Inner, gate: Literal["head", "element"] = "head"
    ) -> None:
        super().__init__(heads, width, make_inner)
        gates = 1 if gate == "head" else width
        self.projection = nn.Parameter(torch.randn(heads, width, gates) * width**-0.5)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        gate = torch.einsum("thd,hdg->thg", query, self.projection.to(query.dtype)).sigmoid()
        return super().forward(query, key, value, segments) * gate.to(value.dtype)
