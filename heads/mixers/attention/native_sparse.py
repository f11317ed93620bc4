"""Native sparse attention: compressed blocks, selected blocks and a window, mixed by learned gates."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from heads.about import About
from heads.mixers.attention.band import attend_window
from heads.mixers.attention.blocks import Blocks
from heads.mixers.attention.selective import SelectiveAttention
from heads.mixers.attention.sparse import Selection, best
from heads.options import AtLeastOne
from heads.ragged import Segments


class NativeSparseAttention(SelectiveAttention):
    """Three attentions, added with sigmoid gates from the query; trained from the start.

    Source: Yuan et al. 2025, "Native Sparse Attention: Hardware-Aligned and Natively Trainable Sparse
    Attention". Keys and values of a block are compressed to one by learned weights of its places; rows attend
    these, and the mean of the weights over a block of rows selects the blocks that it attends exactly; the
    third attention is a window. The paper selects for each row; blocks of rows share a selection here. The
    three share keys and values.

    Parameters
    ----------
    heads, width
        See `Attention`.
    top_k
        Number of selected blocks, the row's own among them.
    block
        Number of rows of a block.
    window
        Number of neighbours on each side of a row in the window.
    """

    about = About(
        "Yuan et al. 2025, Native Sparse Attention",
        "n, and n^2 / 64 for compressed blocks",
        "Sparse attention to train with: an overview, the best blocks and the neighbourhood.",
    )

    def __init__(
        self,
        heads: int,
        width: int,
        top_k: AtLeastOne = 8,
        block: AtLeastOne = 64,
        window: AtLeastOne = 512,
    ) -> None:
        super().__init__(heads, width)
        self.top_k, self.block, self.window = top_k, block, window
        self.compression = nn.Parameter(torch.zeros(heads, block))
        self.gates = nn.Parameter(torch.randn(heads, width, 3) * width**-0.5)
        self.gate_bias = nn.Parameter(torch.zeros(heads, 3))

    @property
    def forms_weights(self) -> bool:
        return False

    def covers(self, length: int) -> bool:
        return length <= self.top_k * self.block

    def select(self, query: Tensor, key: Tensor, segments: Segments) -> Selection:
        blocks = Blocks.of(segments, self.block)
        return self._best(self._weights_of_blocks(query, key, blocks), blocks)

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, segments: Segments, selection: Selection
    ) -> Tensor:
        blocks = Blocks.of(segments, self.block)
        weights = self._weights_of_blocks(query, key, blocks)
        return self._gated(query, key, value, segments, weights, blocks, selection)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        blocks = Blocks.of(segments, self.block)
        weights = self._weights_of_blocks(query, key, blocks)
        selection = self._best(weights.detach(), blocks)
        return self._gated(query, key, value, segments, weights, blocks, selection)

    def _gated(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        segments: Segments,
        weights: Tensor,
        blocks: Blocks,
        selection: Selection,
    ) -> Tensor:
        """Add the three attentions, from the weights of the compressed blocks and the selected blocks."""
        compressed = self._compressed(value, blocks).transpose(0, 1)
        overview = (weights.to(value.dtype).transpose(1, 2) @ compressed).transpose(0, 1)
        selected = super().attend(query, key, value, segments, selection)
        longest = max(segments.lengths)
        alike = self.covers(longest) and self.window >= longest - 1
        windows = [self.window] * len(segments)
        near = selected if alike else attend_window(query, key, value, segments, windows)
        gates = self.gates.to(query.dtype).transpose(1, 2) @ query.permute(1, 2, 0)
        gates = (gates + self.gate_bias.to(query.dtype).unsqueeze(2)).sigmoid().to(value.dtype)
        first, second, third = gates.permute(2, 0, 1).split(1, dim=2)
        return torch.addcmul(overview * first, selected, second).addcmul(near, third)

    def _best(self, weights: Tensor, blocks: Blocks) -> Selection:
        """Select the blocks to which the rows of a block give most weight."""
        if max(blocks.counts) <= self.top_k:
            return Selection.complete(blocks, self.heads)
        by_block = blocks.split(weights.permute(2, 0, 1)).sum(2)
        return Selection(blocks, best(by_block, blocks, self.top_k))

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> None:
        return None

    def _weights_of_blocks(self, query: Tensor, key: Tensor, blocks: Blocks) -> Tensor:
        """Return ``(H, N, T)``: the weights that rows give to the compressed blocks of their segment.

        Rows are the last dimension, because a softmax over the few blocks of a chain is slow there.
        """
        wide = torch.promote_types(torch.float32, query.dtype)
        keys = self._compressed(key.to(wide), blocks).transpose(0, 1) * self.width**-0.5
        scores = keys @ query.to(wide).permute(1, 2, 0)
        if len(blocks.counts) > 1:
            of_rows = blocks.segments[blocks.slots // blocks.size]
            scores = scores.masked_fill(blocks.segments.unsqueeze(1) != of_rows, -torch.inf)
        return scores.softmax(1)

    def _compressed(self, values: Tensor, blocks: Blocks) -> Tensor:
        """Return ``(N, H, d)``: the learned mean of the rows ``(T, H, d)`` of each block."""
        free = ~blocks.filled.unsqueeze(1)
        shares = self.compression.expand(len(blocks), -1, -1).masked_fill(free, -torch.inf).softmax(2)
        return torch.einsum("nhc,nhcd->nhd", shares.to(values.dtype), blocks.split(values))
