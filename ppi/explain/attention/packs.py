"""Packs of tokens that form attention weights, or that switch a head off."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from heads.kernels.dense import AttentionBias
from ppi.backbones.packing import Pack


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


class MutedPack(Pack):
    """Sequences in which the output of one head of one layer is zero, in one forward pass.

    Parameters
    ----------
    lengths, device
        See `ppi.backbones.packing.Pack`.
    layer
        Number of the layer, from 1.
    head
        Number of the head, from 0.
    """

    def __init__(self, lengths: Sequence[int], device: torch.device | str, *, layer: int, head: int) -> None:
        super().__init__(lengths, device)
        self._layer, self._head, self._calls = layer, head, 0

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, *, scale: float, bias: AttentionBias | None = None
    ) -> Tensor:
        attended = super().attend(query, key, value, scale=scale, bias=bias)
        self._calls += 1
        return (
            muted(attended.unflatten(1, (query.shape[1], -1)), self._head).flatten(1)
            if (self._calls == self._layer)
            else attended
        )


def muted(outputs: Tensor, head: int) -> Tensor:
    """Return ``(n, H, d)`` outputs of heads with zeros for one head."""
    changed = outputs.clone()
    changed[:, head] = 0
    return changed
