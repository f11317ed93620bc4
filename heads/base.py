"""The base class of the four heads: a mixer, a pooling, and the computation of one score per complex."""

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
from heads.scaling import ColumnScaling

#: Range of the log-variance that a head predicts; values outside are clamped.
LOG_VARIANCES = (-8.0, 8.0)


class Head(nn.Module, ABC):
    """Everything after the backbone.

    Parameters
    ----------
    dim
        Width of the residue embeddings, ``D``.
    make_mixer
        Function that makes a mixer; it is called twice where each side has its own.
    make_pooling
        Function that makes a pooling of residues; it is called for each pooling of the head.
    lengths
        Append the logarithm of the number of pooled residues to each pooled vector.
    mixer_per_side
        Use separate mixers for the ligand and the receptor instead of one for both.
    symmetric
        Return the mean over both assignments of the roles, so that exchanging ligand and receptor changes
        nothing.
    heteroscedastic
        Predict the logarithm of the variance as a second output.
    standardised
        Scale the columns of the embeddings before the mixer; see `heads.scaling.ColumnScaling`.

    Attributes
    ----------
    encoding_unit
        What the backbone encodes together for this head: a chain, a side or a complex.
    outputs
        Number of outputs per complex, ``O``.
    """

    encoding_unit: ClassVar[EncodingUnit]
    #: Modules that follow the pooling.
    read_out_parts: ClassVar[tuple[str, ...]] = ("network", "regressor")
    mixer: Mixer
    receptor_mixer: Mixer | None
    #: The last layer, which is linear; only a mean follows it.
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
        standardised: bool = False,
    ) -> None:
        super().__init__()
        self.symmetric = symmetric
        self.heteroscedastic = heteroscedastic
        self.outputs = 2 if heteroscedastic else 1
        self._make_pooling, self._lengths = make_pooling, lengths
        self.mixer = make_mixer(dim)
        self.receptor_mixer = make_mixer(dim) if mixer_per_side else None
        self.scaling = ColumnScaling(dim) if standardised else None

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
        """Return ``(B,)`` scores, one per complex."""
        return self.all_outputs(batch)[:, 0]

    def all_outputs(self, batch: RaggedBatch) -> Tensor:
        """Return ``(B, O)``: the score and, if the head is heteroscedastic, the logarithm of its variance."""
        scores = self.score(self.mixed(batch))
        if self.symmetric and not self.both_orders:
            scores = (scores + self.score(self.mixed(batch.exchanged()))) / 2
        return scores

    @torch.no_grad()
    def rescale(self, slope: float, intercept: float) -> None:
        """Multiply the score by `slope` and add `intercept`, by changing the last layer."""
        last = [layer for layer in self.regressor.modules() if isinstance(layer, nn.Linear)][-1]
        last.weight[0] *= slope
        last.bias[0] = last.bias[0] * slope + intercept

    def mixed(self, batch: RaggedBatch) -> RaggedBatch:
        """Return the batch with mixed residue embeddings."""
        if self.scaling is not None:
            batch = batch.with_values(self.scaling(batch.values))
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
        """Return the pooled vectors of mixed residue embeddings, before they are joined and read out.

        Returns
        -------
        Tensor
            ``(B, 2, W)``, the vectors of ligand and receptor; ``(B, 1, W)`` where both are one sequence.
        """

    @abstractmethod
    def residue_weights(self, batch: RaggedBatch) -> Tensor:
        """Return the weight of each residue in the pooled vector, from mixed residue embeddings.

        Returns
        -------
        Tensor
            ``(T,)``; the weights sum to 1 over the residues that are pooled together (one side or both).
        """

    def represent(self, batch: RaggedBatch) -> Tensor:
        """Return `pooled` of a batch from the backbone, averaged over both orders if symmetric."""
        vectors = self.pooled(self.mixed(batch))
        if self.symmetric and not self.both_orders:
            vectors = (vectors + self.pooled(self.mixed(batch.exchanged())).flip(1)) / 2
        return vectors

    def drop_read_out(self) -> None:
        """Remove all layers after `pooled`; the head can then no longer score."""
        for name in self.read_out_parts:
            setattr(self, name, nn.Identity())

    def learns_to_represent(self) -> bool:
        """Return whether any module before the read-out has trainable parameters."""
        return any(name.split(".")[0] not in self.read_out_parts for name, _ in self.named_parameters())

    @abstractmethod
    def _sides_alike(self) -> bool:
        """Return whether `score` treats both sides alike."""

    @abstractmethod
    def _pooled_alike(self) -> bool:
        """Return whether `pooled` treats both sides alike."""

    def pooling_of_residues(self, dim: int) -> Pooling:
        """Make a pooling of residues of width `dim`, which appends their number to its vector on request."""
        pooling = self._make_pooling(dim)
        return PoolingWithLength(pooling) if self._lengths else pooling


def two_layers(dim_in: int, dim_out: int, hidden: int | None = None) -> nn.Sequential:
    """Return linear, SiLU, linear; the hidden layer is as wide as the input by default."""
    width = hidden or dim_in
    return nn.Sequential(nn.Linear(dim_in, width), nn.SiLU(), nn.Linear(width, dim_out))
