"""The transformer block around any attention: norms, projections, gate, residuals, feed-forward network."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import torch
from torch import Tensor, nn

from heads.dropout import Dropout
from heads.mixers.attention.base import Attention, MakeAttention
from heads.mixers.base import Mixer
from heads.names import ATTENTIONS
from heads.options import AtLeastOne, ChosenPart, DropoutRate
from heads.ragged import Segments

#: Gate of the attention's output: none, one per row and head, or one per element.
Gate = Literal["none", "head", "element"]


class AttentionMixer(Mixer):
    """A stack of pre-norm transformer blocks around any attention.

    Parameters
    ----------
    dim
        Width of the rows, ``D``, a multiple of `heads`.
    make_attention
        Function that makes the attention of each block, chosen by the options ``attention`` (its name) and
        ``attention_options``.
    heads
        Number of heads.
    depth
        Number of blocks.
    gate
        Sigmoid gate of the attention's output, computed from the query's row (Qiu et al. 2025, "Gated
        Attention for Large Language Models"); none by default.
    hidden
        Width of the feed-forward network; ``2 D`` by default.
    dropout
        Dropout rate of the outputs of the attention and the feed-forward network in training.

    Raises
    ------
    ValueError
        If `dim` is not a multiple of `heads`.
    """

    order_sensitive = True  # It is set to False below if no block's attention depends on the order.

    def __init__(
        self,
        dim: int,
        *,
        make_attention: Annotated[MakeAttention, ChosenPart(ATTENTIONS, "softmax")],
        heads: AtLeastOne = 8,
        depth: AtLeastOne = 1,
        gate: Gate = "none",
        hidden: AtLeastOne | None = None,
        dropout: DropoutRate = 0.1,
    ) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(
                f"the width {dim} is not a multiple of {heads} heads; choose a number of heads that divides "
                "it"
            )
        self.blocks = nn.ModuleList(
            AttentionBlock(make_attention(heads, dim // heads), gate, hidden or 2 * dim, dropout)
            for _ in range(depth)
        )
        self.order_sensitive = any(attention.order_sensitive for attention in self.attentions)

    @property
    def attentions(self) -> list[Attention]:
        """The attention of each block."""
        return [cast(AttentionBlock, block).attention for block in self.blocks]

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        for block in self.blocks:
            values = block(values, segments)
        return values

    def auxiliary_loss(self) -> Tensor | None:
        losses = [loss for each in self.attentions if (loss := each.auxiliary_loss()) is not None]
        return torch.stack(losses).sum() if losses else None


class AttentionBlock(nn.Module):
    """One block: attention between rows, then a feed-forward network on each row, both with residuals.

    Parameters
    ----------
    attention
        Attention of ``H`` heads of width ``d``; the rows have the width ``D = H * d``.
    gate, hidden, dropout
        See `AttentionMixer`.
    """

    def __init__(self, attention: Attention, gate: Gate, hidden: int, dropout: float) -> None:
        super().__init__()
        dim = attention.heads * attention.width
        self.attention = attention
        self.norm = nn.LayerNorm(dim)
        self.projection = nn.Linear(dim, 3 * dim, bias=False)
        gates = {"none": 0, "head": attention.heads, "element": dim}[gate]
        self.gate = nn.Linear(dim, gates) if gates else None
        self.out = nn.Linear(dim, dim)
        self.network_norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, hidden)
        self.contract = nn.Linear(hidden, dim)
        self.dropout = Dropout(dropout)

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        """Mix ``(T, D)`` within each segment."""
        rows = self.norm(values)
        attended = self.attention(*self.projected(rows), segments)
        if self.gate is not None:
            attended = attended * self.gate(rows).sigmoid().unflatten(1, (self.attention.heads, -1))
        values = values + self.dropout(self.out(attended.flatten(1)))
        changed = self.contract(nn.functional.gelu(self.expand(self.network_norm(values))))
        return values + self.dropout(changed)

    def projected(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values, ``(T, H, d)`` each, of normalised ``(T, D)`` rows."""
        parts = self.projection(rows).unflatten(1, (3, self.attention.heads, -1))
        query, key, value = parts.unbind(1)
        return query, key, value
