"""Windows along ragged segments, in tiles of rows that cover all segments of a batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

from heads.attention import ragged_attention
from heads.kernels.dense import in_full_vectors
from heads.kernels.dispatch import triton_takes
from heads.ragged import Segments

#: Fewest rows of a tile.
_TILE = 32
#: Widest window whose tiles are computed in one call; the tiles of a wider one are slices of a segment.
_WIDEST = 256
#: Rows of such a slice.
_ROWS = 128


@dataclass(frozen=True)
class Band:
    """``N`` tiles of ``C`` rows, each with the ``K = C + 2 W`` rows around it.

    Attributes
    ----------
    inside
        ``(N, 1, C, K)`` bool: the neighbours that lie in the segment and the window of a row.
    reach
        Window ``W``: number of neighbours on each side, at most ``C``.
    rows
        Number of rows ``T``.
    """

    inside: Tensor
    reach: int
    rows: int

    @classmethod
    def of(cls, segments: Segments, windows: Sequence[int]) -> Band:
        """Cover the segments, each with a window of its own."""
        ids, reach = segments.ids, max(windows)
        size = max(_TILE, reach)
        spare = -segments.rows % size
        # Rows that fill the last tile attend themselves, so that no row lacks a neighbour.
        owners = pad(ids, (0, spare), value=-1).unflatten(0, (-1, size))
        others = _around(pad(ids, (0, spare), value=-1).unflatten(0, (-1, size)), reach, -2)
        near = torch.tensor([*windows, reach], device=ids.device)[owners]
        steps = torch.arange(size + 2 * reach, device=ids.device) - reach
        offsets = steps - steps[reach : reach + size].unsqueeze(1)
        inside = owners.unsqueeze(2) == others.unsqueeze(1)
        inside &= offsets.abs() <= near.unsqueeze(2)
        return cls(inside.unsqueeze(1), reach, segments.rows)

    @property
    def size(self) -> int:
        """Number of rows of a tile, ``C``."""
        return self.inside.shape[2]

    def tiles(self, values: Tensor) -> Tensor:
        """Cut ``(T, H, d)`` into tiles, ``(N, H, C, d)``."""
        return self._cut(values).transpose(1, 2)

    def windows(self, values: Tensor) -> Tensor:
        """Return the rows around each tile of ``(T, H, d)``, ``(N, H, K, d)``."""
        return _around(self._cut(values), self.reach, 0).transpose(1, 2)

    def join(self, tiles: Tensor) -> Tensor:
        """Put ``(N, H, C, d)`` tiles together, ``(T, H, d)``."""
        return tiles.transpose(1, 2).flatten(0, 1)[: self.rows]

    def _cut(self, values: Tensor) -> Tensor:
        spare = -self.rows % self.size
        return pad(values, (0, 0, 0, 0, 0, spare)).unflatten(0, (-1, self.size))


def attend_window(
    query: Tensor, key: Tensor, value: Tensor, segments: Segments, windows: Sequence[int]
) -> Tensor:
    """Compute softmax attention in which each row sees a window of its segment.

    Parameters
    ----------
    query, key, value
        ``(T, H, d)``.
    segments
        Segments of the ``T`` rows.
    windows
        Number of neighbours on each side that a row sees, for each segment.

    Returns
    -------
    Tensor
        ``(T, H, d)``.
    """
    windows = [min(window, length - 1) for window, length in zip(windows, segments.lengths, strict=True)]
    if all(window == length - 1 for window, length in zip(windows, segments.lengths, strict=True)):
        return ragged_attention(query, key, value, segments, segments)
    heads, width = query.shape[1:]
    if triton_takes(value, width):
        # Imported here, because its kernels need Triton.
        from heads.kernels.block_attention_triton import attend_segments

        of_heads = torch.tensor(windows, device=value.device).unsqueeze(1).expand(-1, heads)
        return attend_segments(query, key, value, segments, windows=of_heads)
    query, key, value = (in_full_vectors(part) for part in (query, key, value))
    if max(windows) > _WIDEST:
        parts = zip(windows, *(part.split(segments.lengths) for part in (query, key, value)), strict=True)
        mixed = torch.cat([_by_slices(q, k, v, window, width**-0.5) for window, q, k, v in parts])
        return mixed[..., :width]
    band = Band.of(segments, windows)
    mask = query.new_zeros(band.inside.shape).masked_fill(~band.inside, -torch.inf)
    mixed = scaled_dot_product_attention(
        band.tiles(query), band.windows(key), band.windows(value), attn_mask=mask, scale=width**-0.5
    )
    return band.join(mixed)[..., :width]


def _by_slices(query: Tensor, key: Tensor, value: Tensor, window: int, scale: float) -> Tensor:
    """Compute one segment with a wide window, slice by slice; no mask is larger than a slice."""
    length, mixed = len(query), []
    for start, rows in zip(range(0, length, _ROWS), query.split(_ROWS), strict=True):
        low, high = max(0, start - window), min(length, start + len(rows) + window)
        places = torch.arange(low, high, device=query.device)
        far = (places - (start + torch.arange(len(rows), device=query.device)).unsqueeze(1)).abs() > window
        # The fused kernel takes masks of four dimensions, and those of floats are the faster ones.
        mask = query.new_zeros(1, 1, *far.shape).masked_fill(far, -torch.inf)
        queries, keys, values = (
            part.transpose(0, 1).unsqueeze(0) for part in (rows, key[low:high], value[low:high])
        )
        found = scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=scale)
        mixed.append(found[0].transpose(0, 1))
    return torch.cat(mixed)


def _around(tiles: Tensor, reach: int, fill: int) -> Tensor:
    """Return ``(N, C + 2 W, ...)``: each of ``(N, C, ...)`` tiles with `reach` rows before and after it."""
    size = tiles.shape[1]
    before, after = (torch.full_like(tiles[:1], fill) for _ in range(2))
    earlier = torch.cat([before, tiles[:-1]])[:, size - reach :]
    later = torch.cat([tiles[1:], after])[:, :reach]
    return torch.cat([earlier, tiles, later], dim=1)
