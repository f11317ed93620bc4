"""Pooling over several hidden layers of a backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from heads.options import AtLeastOne
from heads.poolings.base import Pooling
from heads.poolings.weighted import AttentionPooling
from heads.ragged import Segments


class LayerPooling(Pooling):
    """Pool each layer, then let learnt queries attend to the layers.

    Multi-layers trainable pooling (Tang and Yang 2024, "Pooling And Attention: What Are Effective Designs For
    LLM-based Embedding Models?"): the pooled vectors of the layers, each with a learnt offset, are keys and
    values of a cross-attention whose queries are parameters.

    Parameters
    ----------
    dim
        Width of the rows, ``layers`` times the width of a layer: the layers are concatenated.
    layers
        Number of layers.
    queries
        Number of learnt queries; their outputs are averaged.

    Raises
    ------
    ValueError
        If there are fewer than two layers, or their number does not divide the width.
    """

    def __init__(self, dim: int, layers: AtLeastOne, queries: AtLeastOne = 4) -> None:
        if layers < 2 or dim % layers:
            raise ValueError(
                f"pooling over layers needs at least two of one width; there are {layers} in a width of {dim}"
            )
        width = dim // layers
        super().__init__(width)
        self.layers = layers
        self.pooling = AttentionPooling(width)
        self.place = nn.Parameter(torch.zeros(layers, width))
        self.query = nn.Parameter(torch.randn(queries, width) * width**-0.5)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        pooled = self._pooled(values, segments)
        found = self.layer_weights(pooled).unsqueeze(1) @ self.value(pooled)
        return pooled.mean(dim=1) + found.squeeze(1)

    def weights(self, values: Tensor, segments: Segments) -> Tensor:
        """Return ``(T,)`` weights, averaged over the layers."""
        parts = [self.pooling.weights(layer, segments) for layer in values.chunk(self.layers, dim=1)]
        return torch.stack(parts).mean(dim=0)

    def layer_weights(self, pooled: Tensor) -> Tensor:
        """Return ``(S, L)``: the attention weight of each of the pooled ``(S, L, D)`` layers."""
        scores = self.query @ self.key(self.norm(pooled)).transpose(1, 2) * self.dim**-0.5
        return scores.softmax(dim=2).mean(dim=1)

    def _pooled(self, values: Tensor, segments: Segments) -> Tensor:
        layers = values.chunk(self.layers, dim=1)
        return torch.stack([self.pooling(layer, segments) for layer in layers], dim=1) + self.place
