"""What the four heads share: a mixer, a pooling, and the way from a batch to one number a complex."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from heads.pooling import Pooling, PoolingWithLength
from heads.ragged import LIGAND, RaggedBatch, segment_ids
from heads.registry import MIXERS, POOLINGS, EncodingUnit, MixerName, PoolingName, find, with_options

#: Range of the log-variance that a head gives: what lies outside counts as the nearest inside.
LOG_VARIANCES = (-8.0, 8.0)


class Head(nn.Module, ABC):
    """Everything after the backbone.

    Parameters
    ----------
    dim
        Width of the residue embeddings, ``D``.
    mixer, pooling
        Names in `heads.registry.MIXERS` and `heads.registry.POOLINGS`.
    mixer_options, pooling_options
        For their constructors.
    lengths
        Put the logarithm of the length of what is pooled from residues beside its vector.
    mixer_per_side
        A mixer for the ligand and another one for the receptor, rather than one for both.
    symmetric
        Return the mean of both role orders, so that an exchange of ligand and receptor changes nothing.
    heteroscedastic
        Give the logarithm of the variance as a second output.

    Attributes
    ----------
    encoding_unit
        What the backbone encodes in one go for this head.
    outputs
        How many numbers the head gives for a complex, ``O``.
    """

    encoding_unit: ClassVar[EncodingUnit]
    #: Its last layer is linear, and nothing but a mean comes after it.
    regressor: nn.Module

    def __init__(
        self,
        dim: int,
        mixer: MixerName = "convbert",
        pooling: PoolingName = "attention",
        *,
        mixer_options: Mapping[str, Any] | None = None,
        pooling_options: Mapping[str, Any] | None = None,
        lengths: bool = False,
        mixer_per_side: bool = False,
        symmetric: bool = False,
        heteroscedastic: bool = False,
    ) -> None:
        super().__init__()
        self.symmetric, self.mixer_per_side = symmetric, mixer_per_side
        self.heteroscedastic = heteroscedastic
        self.outputs = 2 if heteroscedastic else 1
        self._pooling, self._pooling_options, self._lengths = pooling, dict(pooling_options or {}), lengths
        make = find(MIXERS, mixer)
        self.mixer = with_options(make, mixer, dim, **(mixer_options or {}))
        if mixer_per_side:
            self.receptor_mixer = with_options(make, mixer, dim, **(mixer_options or {}))

    @property
    def swap_invariant(self) -> bool:
        """Whether exchanging ligand and receptor leaves the result unchanged."""
        mixers_differ = self.mixer_per_side and any(True for _ in self.mixer.parameters())
        return self.symmetric or (self._sides_alike() and not mixers_differ)

    @property
    def both_orders(self) -> bool:
        """Whether the backbone must encode ligand before receptor and receptor before ligand."""
        return False

    @property
    @abstractmethod
    def chain_order_invariant(self) -> bool:
        """Whether the order of chains within a side leaves the result unchanged."""

    def forward(self, batch: RaggedBatch) -> Tensor:
        """Return ``(B,)`` scores, one a complex."""
        return self.all_outputs(batch)[:, 0]

    def all_outputs(self, batch: RaggedBatch) -> Tensor:
        """Return ``(B, O)``: the score, and the logarithm of its variance for what is heteroscedastic."""
        scores = self.score(self.mixed(batch))
        if self.symmetric and not self.both_orders:
            scores = (scores + self.score(self.mixed(batch.exchanged()))) / 2
        return scores

    @torch.no_grad()
    def rescale(self, slope: float, intercept: float) -> None:
        """Make the score `slope` times what it was, plus `intercept`, by its last layer."""
        last = [layer for layer in self.regressor.modules() if isinstance(layer, nn.Linear)][-1]
        last.weight[0] *= slope
        last.bias[0] = last.bias[0] * slope + intercept

    def mixed(self, batch: RaggedBatch) -> RaggedBatch:
        """Return the batch with mixed residue embeddings."""
        if not self.mixer_per_side:
            return batch.with_values(self.mixer(batch.values, batch.unit_offsets))
        lengths = batch.unit_offsets.diff()
        ligand_rows = (batch.unit_role == LIGAND)[segment_ids(batch.unit_offsets)]
        places, mixed = list[Tensor](), list[Tensor]()
        for mixer, rows, units in (
            (self.mixer, ligand_rows, batch.unit_role == LIGAND),
            (self.receptor_mixer, ~ligand_rows, batch.unit_role != LIGAND),
        ):
            if units.any():
                offsets = torch.cat([lengths.new_zeros(1), lengths[units].cumsum(0)])
                places.append(rows.nonzero().squeeze(1))
                mixed.append(mixer(batch.values[rows], offsets))
        return batch.with_values(torch.cat(mixed)[torch.cat(places).argsort()])

    @abstractmethod
    def score(self, batch: RaggedBatch) -> Tensor:
        """Return the ``(B, O)`` outputs from mixed residue embeddings."""

    @abstractmethod
    def _sides_alike(self) -> bool:
        """Say whether `score` treats both sides alike."""

    def _make_pooling(self, dim: int) -> Pooling:
        made: Pooling = with_options(
            find(POOLINGS, self._pooling), self._pooling, dim, **self._pooling_options
        )
        return PoolingWithLength(made) if self._lengths else made


def two_layers(dim_in: int, dim_out: int, hidden: int | None = None) -> nn.Sequential:
    """Linear, SiLU, linear; the hidden layer is as wide as the input by default."""
    width = hidden or dim_in
    return nn.Sequential(nn.Linear(dim_in, width), nn.SiLU(), nn.Linear(width, dim_out))
