"""What the four heads share: a mixer, a pooling, and the way from a batch to one number a complex."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from heads.mixers.base import MakeMixer, Mixer
from heads.mixers.identity import IdentityMixer
from heads.names import EncodingUnit
from heads.poolings.base import MakePooling, Pooling, PoolingWithLength
from heads.ragged import LIGAND, RaggedBatch

#: Range of the log-variance that a head gives: what lies outside counts as the nearest inside.
LOG_VARIANCES = (-8.0, 8.0)


class Head(nn.Module, ABC):
    """Everything after the backbone.

    Parameters
    ----------
    dim
        Width of the residue embeddings, ``D``.
    make_mixer
        Makes the mixer, or both.
    make_pooling
        Makes the poolings of residues, as many as the head has.
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
    #: Modules that come after what is pooled.
    read_out_parts: ClassVar[tuple[str, ...]] = ("network", "regressor")
    mixer: Mixer
    receptor_mixer: Mixer | None
    #: Its last layer is linear, and nothing but a mean comes after it.
    regressor: nn.Module

    def __init__(
        self,
        dim: int,
        make_mixer: MakeMixer,
        make_pooling: MakePooling,
        *,
        lengths: bool = False,
        mixer_per_side: bool = False,
        symmetric: bool = False,
        heteroscedastic: bool = False,
    ) -> None:
        super().__init__()
        self.symmetric = symmetric
        self.heteroscedastic = heteroscedastic
        self.outputs = 2 if heteroscedastic else 1
        self._make_pooling, self._lengths = make_pooling, lengths
        self.mixer = make_mixer(dim)
        self.receptor_mixer = make_mixer(dim) if mixer_per_side else None

    @property
    def swap_invariant(self) -> bool:
        """Whether exchanging ligand and receptor leaves the result unchanged."""
        return self.symmetric or (self._sides_alike() and self._mixers_alike)

    @property
    def pools_alike(self) -> bool:
        """Whether exchanging ligand and receptor exchanges or keeps what `represent` returns."""
        return self.symmetric or (self._pooled_alike() and self._mixers_alike)

    @property
    def _mixers_alike(self) -> bool:
        return self.receptor_mixer is None or isinstance(self.mixer, IdentityMixer)

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
        if self.receptor_mixer is None:
            return batch.with_values(self.mixer(batch.values, batch.units))
        places, mixed = list[Tensor](), list[Tensor]()
        roles = batch.layout.unit_role
        for mixer, of_ligands in ((self.mixer, True), (self.receptor_mixer, False)):
            units = [unit for unit, role in enumerate(roles) if (role == LIGAND) == of_ligands]
            if units:
                rows, segments = batch.units.take(units)
                places.append(rows)
                mixed.append(mixer(batch.values[rows], segments))
        return batch.with_values(torch.cat(mixed)[torch.cat(places).argsort()])

    @abstractmethod
    def score(self, batch: RaggedBatch) -> Tensor:
        """Return the ``(B, O)`` outputs from mixed residue embeddings."""

    @abstractmethod
    def pooled(self, batch: RaggedBatch) -> Tensor:
        """Return what is pooled from mixed residue embeddings, before it is joined and read out.

        Returns
        -------
        Tensor
            ``(B, 2, W)``, the vectors of ligand and receptor; ``(B, 1, W)`` where both are one sequence.
        """

    @abstractmethod
    def residue_weights(self, batch: RaggedBatch) -> Tensor:
        """Return how much of each residue is in what is pooled, from mixed residue embeddings.

        Returns
        -------
        Tensor
            ``(T,)``; they sum to 1 over what is pooled together, a side or both.
        """

    def represent(self, batch: RaggedBatch) -> Tensor:
        """Return `pooled` of a batch as the backbone gives it; the mean of both orders where symmetric."""
        vectors = self.pooled(self.mixed(batch))
        if self.symmetric and not self.both_orders:
            vectors = (vectors + self.pooled(self.mixed(batch.exchanged())).flip(1)) / 2
        return vectors

    def drop_read_out(self) -> None:
        """Remove all layers after `pooled`; the head can then no longer score."""
        for name in self.read_out_parts:
            setattr(self, name, nn.Identity())

    def learns_to_represent(self) -> bool:
        """Say whether anything before the read-out has parameters to train."""
        return any(name.split(".")[0] not in self.read_out_parts for name, _ in self.named_parameters())

    @abstractmethod
    def _sides_alike(self) -> bool:
        """Say whether `score` treats both sides alike."""

    @abstractmethod
    def _pooled_alike(self) -> bool:
        """Say whether `pooled` treats both sides alike."""

    def pooling_of_residues(self, dim: int) -> Pooling:
        """Make a pooling of residues of width `dim`, with their number beside its vector on request."""
        pooling = self._make_pooling(dim)
        return PoolingWithLength(pooling) if self._lengths else pooling


def two_layers(dim_in: int, dim_out: int, hidden: int | None = None) -> nn.Sequential:
    """Linear, SiLU, linear; the hidden layer is as wide as the input by default."""
    width = hidden or dim_in
    return nn.Sequential(nn.Linear(dim_in, width), nn.SiLU(), nn.Linear(width, dim_out))
