"""Mixture of heads: each row chooses the heads that it listens to."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from heads.about import About
from heads.mixers.attention.wrapper import Inner, Wrapper
from heads.options import AtLeastOne, Range
from heads.ragged import Segments


class MixtureOfHeads(Wrapper):
    """Weights the heads of any attention per row: shared heads always, and the `top_k` best of the others.

    Source: Jin et al. 2024, "MoH: Multi-Head Attention as Mixture-of-Head Attention", with its two stages: a
    softmax over the shared heads, one over the routed heads, and a softmax that balances the two groups. All
    are scaled so that equal weights change nothing. The router reads the query. The heads that a row does
    not choose are computed all the same, because another row may choose them.

    Parameters
    ----------
    heads, width, make_inner
        See `Wrapper`.
    shared
        Number of heads that each row takes; a quarter by default.
    top_k
        Number of routed heads that each row takes; by default so many that a row takes half of all heads.
    balance
        Weight of the load-balance loss, ``R sum_h f_h p_h`` over ``R`` routed heads: the fraction of choices
        that fall on head ``h`` times its mean probability. It is 1 if the load is even.

    Raises
    ------
    ValueError
        If `shared` and `top_k` together exceed the number of heads.
    """

    about = About(
        "Jin et al. 2024, MoH: Mixture-of-Head Attention",
        "that of the inner attention",
        "Wrapper: each residue weights the heads and takes only the best of them, half by default.",
    )

    def __init__(
        self,
        heads: int,
        width: int,
        *,
        make_inner: Inner,
        shared: Annotated[int, Range(least=0)] | None = None,
        top_k: AtLeastOne | None = None,
        balance: Annotated[float, Range(least=0)] = 0.01,
    ) -> None:
        super().__init__(heads, width, make_inner)
        self.shared = heads // 4 if shared is None else shared
        self.top_k = max(1, heads // 2 - self.shared) if top_k is None else top_k
        if self.shared + self.top_k > heads:
            raise ValueError(
                f"shared is {self.shared} and top_k is {self.top_k}, together more than the {heads} heads; "
                "give less"
            )
        self.balance = balance
        self.router = nn.Linear(heads * width, heads, bias=False)
        self.stages = nn.Linear(heads * width, 2, bias=False) if self.shared else None
        self._loss: Tensor | None = None

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        gates, probabilities = self.route(query)
        chosen = (gates[:, self.shared :] > 0).to(probabilities.dtype).mean(0) / self.top_k
        balance = self.balance * len(chosen) * (chosen * probabilities.mean(0)).sum()
        self._loss = balance if self.training else None
        return super().forward(query, key, value, segments) * gates.unsqueeze(2).to(value.dtype)

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> list[Tensor] | None:
        found = super().weights(query, key, segments)
        if found is None:
            return None
        gates = self.route(query)[0].to(query.dtype).split(segments.lengths)
        return [each * gate.T.unsqueeze(2) for each, gate in zip(found, gates, strict=True)]

    def auxiliary_loss(self) -> Tensor | None:
        losses = [loss for loss in (self._loss, super().auxiliary_loss()) if loss is not None]
        return torch.stack(losses).sum() if losses else None

    def route(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``(T, H)`` weights of the heads, and ``(T, R)`` probabilities of the routed ones."""
        rows = query.flatten(1).to(torch.promote_types(torch.float32, self.router.weight.dtype))
        logits = self.router(rows).float() if rows.dtype == torch.float32 else self.router(rows)
        own, routed = logits[:, : self.shared].softmax(1), logits[:, self.shared :].softmax(1)
        best = routed.topk(self.top_k, dim=1)
        kept = torch.zeros_like(routed).scatter(1, best.indices, best.values) * routed.shape[1]
        if self.stages is None:
            return kept, routed
        shares = 2 * self.stages(rows).to(logits.dtype).softmax(1)
        return torch.cat([own * self.shared * shares[:, :1], kept * shares[:, 1:]], dim=1), routed
