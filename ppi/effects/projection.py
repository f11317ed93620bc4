"""Embeddings of residues, reduced to their leading components."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Projection:
    """An affine map of residue embeddings to their leading principal components.

    Attributes
    ----------
    shift
        ``(E,)`` float32: mean of each number of the embedding.
    matrix
        ``(E, D)`` float32: applied to what is above the mean.
    """

    shift: Tensor
    matrix: Tensor

    @classmethod
    def fit(cls, rows: Tensor, components: int) -> Projection:
        """Take the components from ``(N, E)`` embeddings, each number with unit variance.

        The standard deviation of a component is its share of the variance to the power of a quarter, so that
        the first have more to say and none is lost.
        """
        shift, scale = rows.mean(0), rows.std(0).clamp_min(1e-6)
        standard = ((rows - shift) / scale).double()
        variances, axes = torch.linalg.eigh(standard.T @ standard / len(rows))
        variances, axes = variances.flip(0)[:components], axes.flip(1)[:, :components]
        # The sign of an axis is free; the largest entry is made positive.
        axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
        spread = (variances / variances[0]) ** 0.25 / variances.sqrt()
        return cls(shift, (axes * spread).float() / scale[:, None])

    def __call__(self, embedding: Tensor) -> Tensor:
        """Return ``(L, D)`` for an ``(L, E)`` embedding."""
        return (embedding.float() - self.shift) @ self.matrix
