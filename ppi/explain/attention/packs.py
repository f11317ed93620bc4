"""Packs of tokens that form attention weights, or that switch heads off."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from heads.kernels.dense import AttentionBias
from ppi.backbones.packing import Pack

#: Layer of a head, and its number in the layer, both from 0.
LayerHead = tuple[int, int]


class ObservingPack(Pack):
    """One sequence whose attention is computed with weights that can be read; see
    `ppi.backbones.packing.Pack`.

    Parameters
    ----------
    length
        Number of tokens of the sequence.
    device
        Device of the tokens.
    """

    def __init__(self, length: int, device: torch.device | str) -> None:
        super().__init__([length], device)
        self._formed: tuple[Tensor, Tensor] | None = None

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, *, scale: float, bias: AttentionBias | None = None
    ) -> Tensor:
        scores = torch.einsum("qhe,khe->hqk", query.float(), key.float()) * scale
        if bias is not None:
            scores += bias(len(query)).float()
        weights = scores.softmax(dim=2)
        outputs = torch.einsum("hqk,khe->qhe", weights, value.float())
        self._formed = weights, outputs
        return outputs.to(value.dtype).flatten(1)

    def take(self) -> tuple[Tensor, Tensor]:
        """Return the ``(H, n, n)`` weights and ``(n, H, d)`` outputs of the last layer, and forget them."""
        assert self._formed is not None, "no layer has attended since the last call"
        formed, self._formed = self._formed, None
        return formed


class PackWithoutHeads(Pack):
    """Sequences in which the outputs of some heads are zero, in one forward pass.

    Parameters
    ----------
    lengths, device
        See `ppi.backbones.packing.Pack`.
    off
        The heads.
    """

    def __init__(
        self, lengths: Sequence[int], device: torch.device | str, *, off: Sequence[LayerHead]
    ) -> None:
        super().__init__(lengths, device)
        self._off, self._calls = tuple(off), 0

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, *, scale: float, bias: AttentionBias | None = None
    ) -> Tensor:
        attended = super().attend(query, key, value, scale=scale, bias=bias)
        heads = [head for layer, head in self._off if layer == self._calls]
        self._calls += 1
        return muted(attended.unflatten(1, (query.shape[1], -1)), heads).flatten(1) if heads else attended


def muted(outputs: Tensor, heads: Sequence[int]) -> Tensor:
    """Return ``(n, H, d)`` outputs of heads with zeros for some heads."""
    changed = outputs.clone()
    changed[:, heads] = 0
    return changed
