"""Rotary positions: queries and keys turn with their place in the segment."""

from __future__ import annotations

import torch
from torch import Tensor

from heads.ragged import Segments

_BASE = 10_000.0


def rotated(rows: Tensor, segments: Segments, *, by_chain: bool = False) -> Tensor:
    """Turn pairs of columns by angles that are proportional to the position in the segment.

    The product of a turned query and a turned key depends on the distance of their rows only (Su et al. 2021,
    "RoFormer: Enhanced Transformer with Rotary Position Embedding"). Column ``c`` is paired with column
    ``c + d / 2``.

    Parameters
    ----------
    rows
        ``(T, H, d)`` queries or keys, ``d`` even.
    segments
        Segments of the ``T`` rows; positions start at 0 in each.
    by_chain
        Let positions start at 0 in each chain of a segment.

    Returns
    -------
    Tensor
        ``(T, H, d)``.

    Raises
    ------
    ValueError
        If the chains are needed but not known.
    """
    half = rows.shape[2] // 2
    if by_chain:
        places = _places_in_chains(segments).to(rows.device)
    else:
        places = torch.arange(len(rows), device=rows.device) - segments.offsets[segments.ids]
    frequencies = _BASE ** -(torch.arange(half, device=rows.device, dtype=torch.float32) / half)
    angles = (places.unsqueeze(1) * frequencies).unsqueeze(1)
    cosine, sine = angles.cos().to(rows.dtype), angles.sin().to(rows.dtype)
    first, second = rows[..., :half], rows[..., half:]
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=2)


def _places_in_chains(segments: Segments) -> Tensor:
    if segments.chains is None:
        raise ValueError(
            "positions of each chain need the chains of each segment, but the segments do not have them; "
            "give Segments.from_lengths(lengths, chains=...)"
        )
    return torch.cat([torch.arange(rows) for chains in segments.chains for _, rows in chains])
