"""Attention between the two sides of each complex: both directions in one call, without padding."""

from __future__ import annotations

import torch
from torch import Tensor

from heads.eager import run_eagerly
from heads.kernels.dense import dense_attention
from heads.kernels.dispatch import backend_for
from heads.kernels.flash import flash_takes, ragged_flash
from heads.ragged import Segments


def cross_attention(
    query: Tensor, key: Tensor, value: Tensor, sides: Segments, attention_heads: int
) -> Tensor:
    """Compute the attention of ligand residues to receptor residues of the same complex, and the reverse.

    The backend ``reference`` computes the softmax explicitly; ``cpu`` runs a fused kernel on each side;
    ``triton`` runs torch's ragged flash kernel where it is available and the type is float16 or bfloat16, and
    otherwise does the same as ``cpu``.

    Parameters
    ----------
    query, key, value
        ``(T, H * E)`` each, rows of ligand, receptor, ligand, ... for ``H`` heads of width ``E``.
    sides
        The rows of each of ``2 B`` sides.
    attention_heads
        Number of heads, ``H``.

    Returns
    -------
    Tensor
        ``(T, H * E)``, rows in the order of `query`.

    Raises
    ------
    ValueError
        If the shapes do not agree, `attention_heads` does not divide the width, or the sides are not pairs.
    """
    if query.dim() != 2 or not query.shape == key.shape == value.shape or query.shape[1] % attention_heads:
        raise ValueError(
            f"query, key and value must share a shape (T, D) whose width {attention_heads} heads divide, got "
            f"{tuple(query.shape)}, {tuple(key.shape)} and {tuple(value.shape)}"
        )
    if len(sides) % 2:
        raise ValueError(f"sides must come in pairs, got {len(sides)} of them")
    return run_eagerly(_attend, query, key, value, sides, attention_heads)


def _attend(query: Tensor, key: Tensor, value: Tensor, sides: Segments, attention_heads: int) -> Tensor:
    backend = backend_for(query)
    if backend == "triton" and flash_takes(query.unflatten(1, (attention_heads, -1))):
        return _flash(query, key, value, sides, attention_heads)
    return _each_side(query, key, value, sides, attention_heads, backend == "reference")


def _each_side(
    query: Tensor, key: Tensor, value: Tensor, sides: Segments, attention_heads: int, explicit: bool
) -> Tensor:
    width = query.shape[1] // attention_heads
    # Splits are views whose gradients are joined once; each slice would make a full-sized gradient.
    queries, keys, values = (
        _split_sides(each, attention_heads, sides.lengths) for each in (query, key, value)
    )
    attended = []
    for side, block in enumerate(queries):
        partner = side ^ 1
        if explicit:
            scores = block @ keys[partner].transpose(2, 3) * width**-0.5
            mixed = scores.float().softmax(3).to(block.dtype) @ values[partner]
        else:
            mixed = dense_attention(block, keys[partner], values[partner], scale=width**-0.5)
        attended.append(mixed.squeeze(0).transpose(0, 1))
    return torch.cat(attended).flatten(1)


def _split_sides(rows: Tensor, attention_heads: int, lengths: tuple[int, ...]) -> list[Tensor]:
    """Reshape ``(T, H * E)`` to ``(1, H, L, E)`` for each side."""
    return [
        side.transpose(0, 1).unsqueeze(0) for side in rows.unflatten(1, (attention_heads, -1)).split(lengths)
    ]


def _flash(query: Tensor, key: Tensor, value: Tensor, sides: Segments, attention_heads: int) -> Tensor:
    rows, partners = swap_sides(sides)
    longest = max(sides.lengths)
    query, key, value = (part.unflatten(1, (attention_heads, -1)) for part in (query, key[rows], value[rows]))
    return ragged_flash(query, key, value, sides.offsets, partners.offsets, longest, longest)


def swap_sides(sides: Segments) -> tuple[Tensor, Segments]:
    """Return ``(T,)`` rows that put receptor before ligand in each complex, and the sides among them."""
    return sides.take([side ^ 1 for side in range(len(sides))])
