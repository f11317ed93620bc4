"""Block-sparse attention that keeps the mass of the blocks that it skips."""

from __future__ import annotations

from math import log

import torch
from torch import Tensor

from heads.about import About
from heads.mixers.attention.blocks import Blocks
from heads.mixers.attention.selective import SelectiveAttention
from heads.mixers.attention.sparse import Selection, best, block_means, in_one_segment
from heads.options import AtLeastOne
from heads.ragged import Segments

#: Largest number of scores between means and rows that are kept at once.
_SCORES = 2**22


class BlockSparseAttention(SelectiveAttention):
    """Softmax attention over the best blocks of rows; the others enter as one pooled row each.

    Source: Liu et al. 2025, "Rectified SpaAttn: Revisiting Attention Sparsity for Efficient Video
    Generation". The means of the queries and of the keys of each block choose the blocks. A block ``b`` of
    ``n_b`` rows that is not chosen enters with the weight ``n_b exp(q mean(k) / sqrt(d))``, so that its mass
    is not given to the chosen ones; but only if that gains, which is if, for the mean query, this weight is
    more than the error that it leaves: more than half of the block's true weight.

    Parameters
    ----------
    heads, width
        See `Attention`.
    top_k
        Number of blocks that each block attends, itself among them.
    block
        Number of rows of a block.
    rectified
        Let the blocks that are not chosen enter as pooled rows.
    """

    about = About(
        "Liu et al. 2025, Rectified SpaAttn",
        "n, and n^2 / 4096 to choose blocks",
        "Sparse attention for long complexes: the best blocks exactly, the others by their means.",
    )

    def __init__(
        self,
        heads: int,
        width: int,
        top_k: AtLeastOne = 16,
        block: AtLeastOne = 64,
        rectified: bool = True,
    ) -> None:
        super().__init__(heads, width)
        self.top_k, self.block, self.rectified = top_k, block, rectified

    def covers(self, length: int) -> bool:
        return length <= self.top_k * self.block

    def select(self, query: Tensor, key: Tensor, segments: Segments) -> Selection:
        blocks = Blocks.of(segments, self.block)
        if self.covers(max(segments.lengths)):
            return Selection.complete(blocks, self.heads)
        queries, keys = block_means(query, blocks), block_means(key, blocks)
        scores = torch.einsum("ahd,bhd->ahb", queries, keys) * self.width**-0.5
        chosen = best(scores, blocks, self.top_k)
        if not self.rectified:
            return Selection(blocks, chosen)
        pooled = scores + blocks.sizes.log()
        gains = pooled > self._masses(queries, key, blocks) - log(2)
        return Selection(blocks, chosen, gains & ~chosen & in_one_segment(blocks))

    def _masses(self, queries: Tensor, key: Tensor, blocks: Blocks) -> Tensor:
        """Return ``(N, H, N)``: the logarithm of the weight that each block's rows have for a mean query."""
        keys = blocks.split(key).transpose(0, 1).flatten(1, 2)
        free = ~blocks.filled.flatten()
        masses = []
        for some in queries.split(max(1, _SCORES // (self.heads * len(free)))):
            scores = (some.transpose(0, 1) @ keys.transpose(1, 2)) * self.width**-0.5
            by_block = scores.masked_fill(free, -torch.inf).unflatten(2, (-1, self.block))
            masses.append(by_block.logsumexp(3).transpose(0, 1))
        return torch.cat(masses)
