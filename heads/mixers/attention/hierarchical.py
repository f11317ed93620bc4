"""Hierarchical sparse attention: chunks of variable length choose chunks, and their residues attend."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, pad

from heads.about import About
from heads.mixers.attention.blocks import Blocks
from heads.mixers.attention.selective import SelectiveAttention
from heads.mixers.attention.sparse import Selection, best, block_means
from heads.options import AtLeastOne, Range
from heads.ragged import Segments


class HierarchicalAttention(SelectiveAttention):
    """Softmax attention between the residues of chunks that resemble each other.

    Source: Xiong et al. 2025, "Long-Context Modeling with Dynamic Hierarchical Sparse Attention". A chunk
    ends where adjacent keys differ most (by their cosine), once in the middle half of every `chunk` rows. The
    vector of a chunk is the mean of its rows times the square root of their number. The products of the
    vectors of queries and keys choose chunks. The boundaries of the paper are predicted by a trained network;
    here they need no training.

    Parameters
    ----------
    heads, width
        See `Attention`.
    top_k
        Number of chunks that each chunk attends, itself among them.
    chunk
        Mean number of rows of a chunk.
    """

    about = About(
        "Xiong et al. 2025, Dynamic Hierarchical Sparse Attention",
        "n, and n^2 / 1024 to choose chunks",
        "Sparse attention over chunks that end where the sequence changes.",
    )

    def __init__(
        self, heads: int, width: int, top_k: AtLeastOne = 20, chunk: Annotated[int, Range(least=4)] = 32
    ) -> None:
        super().__init__(heads, width)
        self.top_k, self.chunk = top_k, chunk

    def covers(self, length: int) -> bool:
        return self._inner_boundaries(length) < self.top_k

    def select(self, query: Tensor, key: Tensor, segments: Segments) -> Selection:
        blocks = self._chunks(key, segments)
        if self.covers(max(segments.lengths)):
            return Selection.complete(blocks, self.heads)
        scale = blocks.sizes.to(query.dtype).sqrt().view(-1, 1, 1)
        queries, keys = block_means(query, blocks) * scale, block_means(key, blocks) * scale
        return Selection(blocks, best(torch.einsum("ahd,bhd->ahb", queries, keys), blocks, self.top_k))

    def _chunks(self, key: Tensor, segments: Segments) -> Blocks:
        """Divide the segments where adjacent keys differ most."""
        rows, device = key.flatten(1), key.device
        unlike = pad(1 - cosine_similarity(rows[1:], rows[:-1], dim=1), (1, 0))
        counts = [self._inner_boundaries(length) for length in segments.lengths]
        windows = [
            start + number * self.chunk + self.chunk // 4
            for start, count in zip(segments.bounds[:-1], counts, strict=True)
            for number in range(count)
        ]
        firsts = torch.tensor(windows, dtype=torch.int64, device=device).unsqueeze(1)
        inside = firsts + torch.arange(self.chunk // 2, device=device)
        boundaries = (firsts + unlike[inside].argmax(1, keepdim=True)).flatten()
        starts = torch.cat([segments.offsets[:-1], boundaries]).sort().values
        return Blocks.from_starts(starts, [count + 1 for count in counts], segments, 3 * self.chunk // 2)

    def _inner_boundaries(self, length: int) -> int:
        """Return the number of boundaries inside a segment; no chunk is longer than 3/2 of the mean."""
        return max(0, -(-(length - 3 * self.chunk // 4) // self.chunk))
