"""Softmax attention of blocks of rows over the blocks that are selected for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from heads.kernels.dense import in_full_vectors
from heads.kernels.dispatch import triton_takes
from heads.mixers.attention.blocks import Blocks

#: Largest number of elements of the keys that are gathered at once: 4 MiB in float32.
_GATHERED = 2**20
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
    blocks, heads, width = selection.blocks, *query.shape[1:]
    if triton_takes(value, max(blocks.size, width)):
        # Imported here, because its kernels need Triton.
        from heads.kernels.block_attention_triton import attend_selected_blocks

        summaries = None
        if selection.summarised is not None:
            summaries = selection.summarised, block_means(key, blocks), block_means(value, blocks)
        return attend_selected_blocks(
            query, key, value, blocks.sizes, selection.chosen, summaries, blocks.size
        )
    filled = [in_full_vectors(part) for part in (query, key, value)]
    queries, keys, values = (blocks.split(part).flatten(0, 1) for part in filled)
    counts = selection.chosen.sum(2).flatten()
    order = selection.chosen.to(torch.uint8).sort(dim=2, descending=True, stable=True).indices.flatten(0, 1)
    bias, extra = _bias_of_summaries(selection, query.dtype), 0
    if bias is not None:
        keys, values = (
            torch.cat([rows, _summaries(part, blocks)])
            for rows, part in zip((keys, values), filled[1:], strict=True)
        )
        extra = bias.shape[1] // blocks.size
    tasks, mixed = list[Tensor](), list[Tensor]()
    for some, most in _batches(counts, extra, keys[0].numel()):
        picked, head = order[some, :most], (some % heads).unsqueeze(1)
        missing = torch.arange(most, device=some.device) >= counts[some].unsqueeze(1)
        free = ~blocks.filled[picked] | missing.unsqueeze(2)
        mask = query.new_zeros(len(some), most * blocks.size).masked_fill(free.flatten(1), -torch.inf)
        rows = picked * heads + head
        if bias is not None:
            added = len(queries) + head * extra + torch.arange(extra, device=some.device)
            rows, mask = torch.cat([rows, added], dim=1), torch.cat([mask, bias.index_select(0, some)], dim=1)
        near, sent = (
            part.index_select(0, rows.flatten()).view(len(some), 1, -1, part.shape[2])
            for part in (keys, values)
        )
        attended = scaled_dot_product_attention(
            queries.index_select(0, some).unsqueeze(1),
            near,
            sent,
            attn_mask=mask[:, None, None].expand(-1, -1, blocks.size, -1),
            scale=width**-0.5,
        )
        tasks.append(some)
        mixed.append(attended.squeeze(1))
    together = torch.cat(mixed).index_select(0, torch.cat(tasks).argsort())
    return blocks.join(together.unflatten(0, (-1, heads)))[..., :width]


def _summaries(values: Tensor, blocks: Blocks) -> Tensor:
    """Return ``(H * E, C, d)``: the means of the blocks of ``(T, H, d)``, as ``E`` blocks of each head."""
    means = block_means(values, blocks).transpose(0, 1)
    return pad(means, (0, 0, 0, -len(blocks) % blocks.size)).unflatten(1, (-1, blocks.size)).flatten(0, 1)


def _bias_of_summaries(selection: Selection, dtype: torch.dtype) -> Tensor | None:
    """Return ``(N * H, E * C)``: the logarithms of the numbers of rows; None without summaries."""
    if selection.summarised is None:
        return None
    blocks, outside = selection.blocks, ~selection.summarised.flatten(0, 1)
    logarithms = blocks.sizes.to(dtype).log().expand(outside.shape).masked_fill(outside, -torch.inf)
    return pad(logarithms, (0, -len(blocks) % blocks.size), value=-torch.inf)


def _batches(counts: Tensor, extra: int, elements: int) -> Iterator[tuple[Tensor, int]]:
    """Yield blocks and heads, by their numbers, that attend similarly many blocks, and the largest number."""
    widest = int(counts.max())
    limits = sorted({widest, *(width for width in _WIDTHS if width < widest)})
    for low, high in pairwise([0, *limits]):
        members = ((counts > low) & (counts <= high)).nonzero().squeeze(1)
        for some in members.split(max(1, _GATHERED // ((high + extra) * elements))):
            if len(some):
                yield some, high
