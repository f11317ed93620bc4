"""Native sparse attention: compressed blocks, selected blocks and a window, mixed by learned gates."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from heads.about import About
from heads.mixers.attention.band import attend_window
from heads.mixers.attention.blocks import Blocks
from heads.mixers.attention.selective import SelectiveAttention
from heads.mixers.attention.sparse import Selection, best, in_one_segment
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
        window: AtLeastOne = 32,
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
        if self.covers(max(segments.lengths)):
            return Selection.complete(blocks, self.heads)
        weights = self._weights_of_blocks(query, key, blocks)
        means = (weights * blocks.filled[:, None, :, None]).sum(2) / blocks.sizes.view(-1, 1, 1)
        return Selection(blocks, best(means, blocks, self.top_k))

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, segments: Segments, selection: Selection
    ) -> Tensor:
        blocks = Blocks.of(segments, self.block)
        overview = self._weights_of_blocks(query, key, blocks) @ self._compressed(value, blocks).transpose(
            0, 1
        )
        branches = (
            blocks.join(overview),
            super().attend(query, key, value, segments, selection),
            attend_window(query, key, value, segments, [self.window] * len(segments)),
        )
        gates = torch.einsum("thd,hdg->thg", query, self.gates.to(query.dtype)) + self.gate_bias.to(
            query.dtype
        )
        shares = gates.sigmoid().to(value.dtype).unsqueeze(3).unbind(2)
        return sum(
            (share * each for share, each in zip(shares, branches, strict=True)), torch.zeros_like(value)
        )

    def weights(self, query: Tensor, key: Tensor, segments: Segments) -> None:
        return None

    def _weights_of_blocks(self, query: Tensor, key: Tensor, blocks: Blocks) -> Tensor:
        """Return ``(N, H, C, N)``: the weights that the rows of each block give to the compressed blocks."""
        keys = self._compressed(key, blocks).permute(1, 2, 0)
        scores = blocks.split(query * self.width**-0.5) @ keys
        return scores.masked_fill(~in_one_segment(blocks).unsqueeze(1), -torch.inf).softmax(3)

    def _compressed(self, values: Tensor, blocks: Blocks) -> Tensor:
        """Return ``(N, H, d)``: the learned mean of the rows ``(T, H, d)`` of each block."""
        free = ~blocks.filled.unsqueeze(1)
        shares = self.compression.expand(len(blocks), -1, -1).masked_fill(free, -torch.inf).softmax(2)
        return torch.einsum("nhc,nhcd->nhd", shares.to(values.dtype), blocks.split(values))
