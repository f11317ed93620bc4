"""Softmax attention of blocks of rows over the blocks that are selected for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from heads.mixers.attention.blocks import Blocks

#: Largest number of elements of the keys that are gathered at once: 8 MiB in float32.
_GATHERED = 2**21
#: Numbers of blocks up to which blocks are computed together; between two of them at most a third is wasted.
_WIDTHS = tuple(sorted({2**power for power in range(16)} | {3 * 2**power for power in range(15)}))


@dataclass(frozen=True)
class Selection:
    """What the ``N`` blocks of rows attend.

    Attributes
    ----------
    blocks
        Blocks of the rows.
    chosen
        ``(N, H, N)`` bool: the blocks whose rows a block attends, in each head; one at least.
    summarised
        ``(N, H, N)`` bool: the blocks that enter as one key and value, their means, with the weight of as
        many rows; None if there are none.
    """

    blocks: Blocks
    chosen: Tensor
    summarised: Tensor | None = None

    @classmethod
    def complete(cls, blocks: Blocks, heads: int) -> Selection:
        """Select all blocks of each segment."""
        return cls(blocks, in_one_segment(blocks).expand(-1, heads, -1))


def block_means(values: Tensor, blocks: Blocks) -> Tensor:
    """Return ``(N, H, d)``: the mean of the rows ``(T, H, d)`` of each block."""
    return blocks.split(values).sum(2) / blocks.sizes.view(-1, 1, 1).to(values.dtype)


def in_one_segment(blocks: Blocks) -> Tensor:
    """Return ``(N, 1, N)`` bool: the blocks of the same segment."""
    return (blocks.segments.unsqueeze(1) == blocks.segments).unsqueeze(1)


def best(scores: Tensor, blocks: Blocks, count: int) -> Tensor:
    """Choose for each block itself and the best others of its segment, `count` in all or fewer.

    Parameters
    ----------
    scores
        ``(N, H, N)`` scores of the other blocks.

    Returns
    -------
    Tensor
        ``(N, H, N)`` bool.
    """
    inside, own = in_one_segment(blocks), torch.eye(len(blocks), dtype=torch.bool, device=scores.device)
    ranked = scores.masked_fill(~inside, -torch.inf).masked_fill(own.unsqueeze(1), torch.inf)
    indices = ranked.topk(min(count, max(blocks.counts)), dim=2).indices
    return torch.zeros_like(ranked, dtype=torch.bool).scatter(2, indices, True) & inside


def weights_of(scores: list[Tensor], query: Tensor, key: Tensor, selection: Selection) -> list[Tensor]:
    """Return the ``(H, n, n)`` weights of each segment from its scores; rows share that of a summary."""
    blocks, found, start = selection.blocks, [], 0
    of_rows = blocks.slots // blocks.size
    means = block_means(key, blocks)
    for each in scores:
        mine = of_rows[start : start + each.shape[2]]
        masked = each.masked_fill(~selection.chosen[mine][:, :, mine].transpose(0, 1), -torch.inf)
        if selection.summarised is not None:
            pooled = query[start : start + len(mine)].transpose(0, 1) @ means[mine].permute(1, 2, 0)
            summarised = selection.summarised[mine][:, :, mine].transpose(0, 1)
            masked = torch.where(summarised, pooled * query.shape[2] ** -0.5, masked)
        found.append(masked.softmax(2))
        start += len(mine)
    return found


def attend_selected(query: Tensor, key: Tensor, value: Tensor, selection: Selection) -> Tensor:
    """Compute ``softmax(q k / sqrt(d)) v`` over the selected rows and summaries, skipping the others.

    Blocks and heads that attend a similar number of blocks are computed together, from gathered copies of the
    keys and values that stay small.

    Parameters
    ----------
    query, key, value
        ``(T, H, d)``.
    selection
        What each block attends.

    Returns
    -------
    Tensor
        ``(T, H, d)``.
    """
    blocks, heads = selection.blocks, query.shape[1]
    queries, keys, values = (blocks.split(part).flatten(0, 1) for part in (query, key, value))
    counts = selection.chosen.sum(2).flatten()
    order = selection.chosen.to(torch.uint8).sort(dim=2, descending=True, stable=True).indices.flatten(0, 1)
    summaries = None if selection.summarised is None else _Summaries.of(key, value, selection)
    tasks, mixed = list[Tensor](), list[Tensor]()
    for some, width in _batches(counts, keys[0].numel()):
        picked = order[some, :width]
        rows = picked * heads + (some % heads).unsqueeze(1)
        seen = blocks.filled[picked] & (
            torch.arange(width, device=rows.device) < counts[some, None]
        ).unsqueeze(2)
        mask = query.new_zeros(len(some), width * blocks.size).masked_fill(~seen.flatten(1), -torch.inf)
        near, sent = (
            part.index_select(0, rows.flatten()).view(len(some), -1, part.shape[2]) for part in (keys, values)
        )
        if summaries is not None:
            near, sent, mask = summaries.appended(near, sent, mask, some)
        attended = scaled_dot_product_attention(
            queries.index_select(0, some).unsqueeze(1),
            near.unsqueeze(1),
            sent.unsqueeze(1),
            attn_mask=mask[:, None, None].expand(-1, -1, blocks.size, -1),
        )
        tasks.append(some)
        mixed.append(attended.squeeze(1))
    together = torch.cat(mixed).index_select(0, torch.cat(tasks).argsort())
    return blocks.join(together.unflatten(0, (-1, heads)))


@dataclass(frozen=True)
class _Summaries:
    """The means of blocks, as keys and values: ``(H, N, d)``, and the ``(N * H, N)`` bias of their scores."""

    keys: Tensor
    values: Tensor
    bias: Tensor

    @classmethod
    def of(cls, key: Tensor, value: Tensor, selection: Selection) -> _Summaries:
        assert selection.summarised is not None
        keys, values = (block_means(part, selection.blocks).transpose(0, 1) for part in (key, value))
        logarithms = selection.blocks.sizes.to(key.dtype).log().expand(selection.summarised.shape)
        return cls(keys, values, logarithms.masked_fill(~selection.summarised, -torch.inf).flatten(0, 1))

    def appended(
        self, keys: Tensor, values: Tensor, mask: Tensor, some: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Append the summaries to the ``(M, K, d)`` keys and values of blocks and heads, and to the mask."""
        head = some % len(self.keys)
        return (
            torch.cat([keys, self.keys.index_select(0, head)], dim=1),
            torch.cat([values, self.values.index_select(0, head)], dim=1),
            torch.cat([mask, self.bias.index_select(0, some)], dim=1),
        )


def _batches(counts: Tensor, elements: int) -> Iterator[tuple[Tensor, int]]:
    """Yield blocks and heads, by their numbers, that attend similarly many blocks, and the largest number."""
    widest = int(counts.max())
    limits = sorted({widest, *(width for width in _WIDTHS if width < widest)})
    for low, high in pairwise([0, *limits]):
        members = ((counts > low) & (counts <= high)).nonzero().squeeze(1)
        for some in members.split(max(1, _GATHERED // (high * elements))):
            if len(some):
                yield some, high
