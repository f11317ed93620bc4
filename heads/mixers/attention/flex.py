"""Flexible sparse attention: each head chooses its pattern, and as many blocks as hold most of its mass."""

from __future__ import annotations

import torch
from torch import Tensor

from heads.about import About
from heads.mixers.attention.blocks import Blocks
from heads.mixers.attention.selective import SelectiveAttention
from heads.mixers.attention.sparse import Selection, block_means
from heads.options import AtLeastOne, Fraction
from heads.ragged import Segments

#: Rows of a segment whose exact attention shows the pattern of a head.
_SAMPLES = 64


class FlexAttention(SelectiveAttention):
    """Softmax attention over the blocks that hold the mass `gamma`, by the pattern that fits a head.

    Source: Lai et al. 2025, "FlexPrefill: A Context-Aware Sparse Attention Mechanism". Sampled rows give the
    true distribution of a head over blocks. Where that of the means is close to it (Jensen-Shannon distance
    below `divergence`), the means choose the blocks of each block of queries; else the head attends the
    vertical stripes and diagonals of blocks that hold the mass of the sampled rows. A block always attends
    itself.

    Parameters
    ----------
    heads, width
        See `Attention`.
    gamma
        Mass that the chosen blocks hold together.
    divergence
        Jensen-Shannon distance up to which the means are trusted.
    block
        Number of rows of a block.
    least, most
        Smallest and largest number of blocks that are chosen; half as many stripes and diagonals each. A
        segment of at most `least` blocks is attended completely.

    Raises
    ------
    ValueError
        If `least` is larger than `most`.
    """

    about = About(
        "Lai et al. 2025, FlexPrefill",
        "n, and n^2 / 4096 to choose blocks",
        "Sparse attention that adapts to each head and complex: as many blocks as hold most of the mass.",
    )

    def __init__(
        self,
        heads: int,
        width: int,
        gamma: Fraction = 0.9,
        divergence: Fraction = 0.1,
        block: AtLeastOne = 64,
        least: AtLeastOne = 16,
        most: AtLeastOne = 24,
    ) -> None:
        super().__init__(heads, width)
        if least > most:
            raise ValueError(f"least is {least}, but most is {most}; give a smaller least")
        self.gamma, self.divergence, self.block = gamma, divergence, block
        self.least, self.most = least, most

    def covers(self, length: int) -> bool:
        return length <= self.least * self.block

    def select(self, query: Tensor, key: Tensor, segments: Segments) -> Selection:
        blocks = Blocks.of(segments, self.block)
        if self.covers(max(segments.lengths)):
            return Selection.complete(blocks, self.heads)
        chosen = torch.zeros(len(blocks), self.heads, len(blocks), dtype=torch.bool, device=query.device)
        means = (part.split(blocks.counts) for part in (block_means(query, blocks), block_means(key, blocks)))
        rows = (part.split(segments.lengths) for part in (query, key))
        start = 0
        for count, *parts in zip(blocks.counts, *rows, *means, strict=True):
            inside, by_head = slice(start, start + count), [part.transpose(0, 1) for part in parts]
            short = self.covers(len(parts[0]))
            chosen[inside, :, inside] = True if short else self._of_segment(*by_head)
            start += count
        return Selection(blocks, chosen)

    def _of_segment(self, query: Tensor, key: Tensor, queries: Tensor, keys: Tensor) -> Tensor:
        """Return ``(N, H, N)`` bool from the ``(H, n, d)`` rows and ``(H, N, d)`` means of one segment."""
        (_, length, _), (_, count, _), scale = key.shape, keys.shape, self.width**-0.5
        samples = torch.linspace(0, length - 1, min(_SAMPLES, length), dtype=torch.float64).round().long()
        samples = samples.to(query.device)
        exact = (query[:, samples] @ key.transpose(1, 2) * scale).softmax(2)
        spare = exact.new_zeros(*exact.shape[:2], count * self.block - length)
        masses = torch.cat([exact, spare], dim=2).unflatten(2, (count, -1)).sum(3)
        true = masses.mean(1)
        pooled = (
            (query[:, samples].mean(1, keepdim=True) @ keys.transpose(1, 2) * scale).softmax(2).squeeze(1)
        )
        trusted = _jensen_shannon(true, pooled) < self.divergence
        by_query = self._cover((queries @ keys.transpose(1, 2) * scale).softmax(2), self.least, self.most)
        steps = torch.arange(count, device=query.device) + count - 1
        offsets = (steps - (samples // self.block).unsqueeze(1)).expand_as(masses)
        diagonals = masses.new_zeros(self.heads, 2 * count - 1)
        diagonals.scatter_add_(1, offsets.flatten(1), masses.flatten(1) / len(samples))
        limits = self.least // 2, self.most // 2
        slashes = self._cover(diagonals, *limits)[
            :, steps - torch.arange(count, device=query.device).unsqueeze(1)
        ]
        stripes = self._cover(true, *limits).unsqueeze(1) | slashes
        own = torch.eye(count, dtype=torch.bool, device=query.device)
        return (torch.where(trusted.view(-1, 1, 1), by_query, stripes) | own).transpose(0, 1)

    def _cover(self, masses: Tensor, least: int, most: int) -> Tensor:
        """Return which of ``(..., N)`` masses, in descending order, are needed to reach `gamma`."""
        ordered, order = masses.sort(dim=-1, descending=True)
        before = ordered.cumsum(-1) - ordered
        ranks = torch.arange(masses.shape[-1], device=masses.device)
        needed = ((before < self.gamma) & (ranks < most)) | (ranks < least)
        return torch.zeros_like(needed).scatter(-1, order, needed)


def _jensen_shannon(one: Tensor, other: Tensor) -> Tensor:
    """Return the distances of ``(H, N)`` distributions, ``(H,)``."""
    middle = (one + other) / 2
    divergence = sum((each * (each / middle).clamp(min=1e-30).log()).sum(1) for each in (one, other)) / 2
    return torch.as_tensor(divergence).clamp(min=0).sqrt()
