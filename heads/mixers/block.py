"""The transformer block around any attention: norms, projections, gate, residuals, feed-forward network."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import torch
from torch import Tensor, nn

from heads.about import About
from heads.dropout import Dropout
from heads.eager import run_eagerly
from heads.mixers.attention.base import Attention, MakeAttention
from heads.mixers.attention.selective import SelectiveAttention
from heads.mixers.attention.softmax import SoftmaxAttention
from heads.mixers.attention.sparse import Selection
from heads.mixers.base import Mixer
from heads.mixers.rotary import rotated
from heads.names import ATTENTIONS
from heads.options import AtLeastOne, ChosenPart, DropoutRate, Range
from heads.ragged import Segments

#: Gate of the attention's output: none, one per row and head, or one per element.
Gate = Literal["none", "head", "element"]


class AttentionMixer(Mixer):
    """A stack of pre-norm transformer blocks around any attention.

    Parameters
    ----------
    dim
        Width of the rows, ``D``, a multiple of `heads` unless there is a `width`.
    make_attention
        Function that makes the attention of each block, chosen by the options ``attention`` (its name) and
        ``attention_options``.
    heads
        Number of heads.
    width
        Width of the blocks, a multiple of `heads`: rows are projected to it, and the result is projected back
        and added to them (Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP"). Over a wide
        language model this is much cheaper. By default the blocks are as wide as the rows.
    depth
        Number of blocks.
    gate
        Sigmoid gate of the attention's output, computed from the query's row (Qiu et al. 2025, "Gated
        Attention for Large Language Models"); none by default.
    hidden
        Width of the feed-forward network; twice that of the blocks by default.
    dropout
        Dropout rate of the outputs of the attention and the feed-forward network in training.
    standard_layers
        Blocks, numbered from 0, that have softmax attention instead (the hybrids of Xue et al. 2025,
        "Deconstructing Attention").
    rotary
        Turn queries and keys by their positions, so that scores depend on the distance of residues.
    reposition
        With `rotary`, let the positions of each chain of a segment start at 0 (IR-Diffusion 2024).
    reuse_selection
        Let all blocks attend what the first one selects (Yang et al. 2024, "TidalDecode"); for an attention
        that selects: block-sparse, flex, hierarchical or native-sparse.

    Raises
    ------
    ValueError
        If the width of the blocks is not a multiple of `heads`, the width of a head is odd with `rotary`,
        `standard_layers` names a block that does not exist, or the attention selects nothing with
        `reuse_selection`.
    """

    order_sensitive = True  # It is set to False below if no block's attention depends on the order.
    about = About(
        "Vaswani et al. 2017, Attention Is All You Need (pre-norm blocks)",
        "that of its attention",
        "A stack of transformer blocks around one of the attentions (ppi info attentions).",
    )

    def __init__(
        self,
        dim: int,
        *,
        make_attention: Annotated[MakeAttention, ChosenPart(ATTENTIONS, "softmax")],
        heads: AtLeastOne = 8,
        width: AtLeastOne | None = None,
        depth: AtLeastOne = 1,
        gate: Gate = "none",
        hidden: AtLeastOne | None = None,
        dropout: DropoutRate = 0.1,
        standard_layers: tuple[Annotated[int, Range(least=0)], ...] = (),
        rotary: bool = False,
        reposition: bool = False,
        reuse_selection: bool = False,
    ) -> None:
        super().__init__()
        inside = width or dim
        if inside % heads:
            raise ValueError(
                f"the width {inside} is not a multiple of {heads} heads; choose a number of heads that "
                "divides it"
            )
        of_head = inside // heads
        if rotary and of_head % 2:
            raise ValueError(
                f"rotary turns pairs of columns, but the width of a head is {of_head}, which is odd; choose "
                "another number of heads"
            )
        if reposition and not rotary:
            raise ValueError("reposition changes rotary positions, but rotary is false; set it to true")
        if standard_layers and max(standard_layers) >= depth:
            raise ValueError(
                f"standard_layers names block {max(standard_layers)}, but the blocks are 0 to {depth - 1}"
            )
        makes = [SoftmaxAttention if layer in standard_layers else make_attention for layer in range(depth)]
        self.narrow = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, inside)) if width else None
        self.blocks = nn.ModuleList(
            AttentionBlock(make(heads, of_head), gate, hidden or 2 * inside, dropout, rotary, reposition)
            for make in makes
        )
        self.widen = nn.Linear(inside, dim) if width else None
        self.order_sensitive = rotary or any(attention.order_sensitive for attention in self.attentions)
        self.reuse_selection = reuse_selection
        if reuse_selection and not any(isinstance(each, SelectiveAttention) for each in self.attentions):
            raise ValueError(
                f"reuse_selection needs an attention that selects, but {type(self.attentions[0]).__name__} "
                "does not; choose block-sparse, flex, hierarchical or native-sparse"
            )

    @property
    def attentions(self) -> list[Attention]:
        """The attention of each block."""
        return [cast(AttentionBlock, block).attention for block in self.blocks]

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        if self.narrow is None or self.widen is None:
            return self._through_blocks(values, segments)
        return values + self.widen(self._through_blocks(self.narrow(values), segments))

    def _through_blocks(self, values: Tensor, segments: Segments) -> Tensor:
        selection: Selection | None = None
        for block in self.blocks:
            if self.reuse_selection and selection is None:
                selection = run_eagerly(cast(AttentionBlock, block).select, values, segments)
            values = block(values, segments, selection)
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
    gate, hidden, dropout, rotary, reposition
        See `AttentionMixer`.
    """

    def __init__(
        self,
        attention: Attention,
        gate: Gate,
        hidden: int,
        dropout: float,
        rotary: bool = False,
        reposition: bool = False,
    ) -> None:
        super().__init__()
        self.rotary, self.reposition = rotary, reposition
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

    def forward(self, values: Tensor, segments: Segments, selection: Selection | None = None) -> Tensor:
        """Mix ``(T, D)`` within each segment; attend a given selection if the attention selects."""
        rows = self.norm(values)
        attended = run_eagerly(self._attended, rows, segments, selection)
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

    def select(self, values: Tensor, segments: Segments) -> Selection | None:
        """Return what the attention selects for ``(T, D)`` rows; None if it does not select."""
        if not isinstance(self.attention, SelectiveAttention):
            return None
        query, key, _ = self._turned(self.norm(values), segments)
        return self.attention.selection(query, key, segments)

    def _attended(self, rows: Tensor, segments: Segments, selection: Selection | None) -> Tensor:
        parts = self._turned(rows, segments)
        if selection is not None and isinstance(self.attention, SelectiveAttention):
            return self.attention.attend(*parts, segments, selection)
        attended: Tensor = self.attention(*parts, segments)
        return attended

    def _turned(self, rows: Tensor, segments: Segments) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = self.projected(rows)
        if self.rotary:
            query, key = (rotated(part, segments, by_chain=self.reposition) for part in (query, key))
        return query, key, value
