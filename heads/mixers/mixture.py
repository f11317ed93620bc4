"""A mixture of mixers: each segment, or each residue, weights the experts."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from heads.about import About
from heads.mixers.base import MakeMixer, Mixer
from heads.names import MIXERS
from heads.options import AtLeastOne, ChosenPart, Range
from heads.ragged import Segments, segment_mean

#: What chooses the experts: a segment as a unit, or each residue.
Route = Literal["segment", "residue"]


class MixtureMixer(Mixer):
    """Adds up experts, which are mixers of one kind, with weights from a router.

    Source: Zhang et al. 2024, "BAM! Just Like That: Simple and Efficient Parameter Upcycling for Mixture of
    Experts": experts of attention and feed-forward network together, here a complete mixer each, all of which
    are computed, with a soft router or the best few of it. `ppi train --upcycle` makes the experts from the
    members of an ensemble.

    Parameters
    ----------
    dim
        Width of the rows, ``D``.
    make_expert
        Function that makes the experts, chosen by the options ``expert`` (its name) and ``expert_options``.
    experts
        Number of experts, ``E``.
    top_k
        Number of experts that count, those with the highest weights; all by default. One would always weigh
        1, so that the router could not learn.
    route
        What has weights of its own. segment: each chain, side or complex that the backbone reads at once; its
        router reads the mean of the rows. residue: each row, which the router reads alone. One number is
        measured for a complex, too little to learn a choice for each of its hundreds of residues, so segment
        is the default.
    balance
        Weight of the load-balance loss, ``E sum_e f_e p_e``: the fraction of choices that fall on expert
        ``e`` times its mean weight before the choice. It is 1 if the load is even.

    Raises
    ------
    ValueError
        If `top_k` exceeds the number of experts.
    """

    order_sensitive = False  # It is set below if an expert depends on the order.
    about = About(
        "Zhang et al. 2024, BAM: Parameter Upcycling for Mixture of Experts",
        "that of all experts",
        "Several mixers of one kind, weighted for each segment or residue; made by `ppi train --upcycle`.",
    )

    def __init__(
        self,
        dim: int,
        *,
        make_expert: Annotated[MakeMixer, ChosenPart(MIXERS, "convbert")],
        experts: AtLeastOne = 2,
        top_k: Annotated[int, Range(least=2)] | None = None,
        route: Route = "segment",
        balance: Annotated[float, Range(least=0)] = 0.01,
    ) -> None:
        super().__init__()
        self.top_k = experts if top_k is None else top_k
        if self.top_k > experts:
            raise ValueError(f"top_k is {top_k}, more than the {experts} experts; give less")
        self.route, self.balance = route, balance
        self.experts = nn.ModuleList(make_expert(dim) for _ in range(experts))
        self.norm = nn.LayerNorm(dim, elementwise_affine=False)
        self.router = nn.Linear(dim, experts)
        self.order_sensitive = any(bool(expert.order_sensitive) for expert in self.experts)
        self._loss: Tensor | None = None

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        gates, probabilities = self.gates(values, segments)
        self._loss = self._balance_loss(gates, probabilities) if self.training else None
        weights = gates[segments.ids] if self.route == "segment" else gates
        mixed = torch.zeros_like(values)
        for expert, weight in zip(self.experts, weights.to(values.dtype).unbind(1), strict=True):
            mixed = mixed + weight.unsqueeze(1) * expert(values, segments)
        return mixed

    def gates(self, values: Tensor, segments: Segments) -> tuple[Tensor, Tensor]:
        """Return the weights of the experts, which add up to 1, and the probabilities that they come from.

        Both are ``(S, E)`` or, with the route residue, ``(T, E)``.
        """
        rows = values.to(torch.promote_types(torch.float32, values.dtype))
        read = segment_mean(rows, segments) if self.route == "segment" else rows
        logits = self.router(self.norm(read).to(self.router.weight.dtype))
        probabilities = logits.to(rows.dtype).softmax(1)
        if self.top_k == len(self.experts):
            return probabilities, probabilities
        best = probabilities.topk(self.top_k, dim=1)
        kept = torch.zeros_like(probabilities).scatter(1, best.indices, best.values)
        return kept / kept.sum(1, keepdim=True), probabilities

    def auxiliary_loss(self) -> Tensor | None:
        return self._loss

    def _balance_loss(self, gates: Tensor, probabilities: Tensor) -> Tensor:
        if self.top_k == len(self.experts):
            chosen = probabilities.mean(0)
        else:
            chosen = (gates > 0).to(gates.dtype).mean(0) / self.top_k
        return self.balance * len(chosen) * (chosen * probabilities.mean(0)).sum()
