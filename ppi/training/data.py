"""Training data: units embedded once, batches by a token budget, groups drawn alike on request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import lightning
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from heads.ragged import RaggedBatch
from ppi.embedding.batching import budget_batches
from ppi.embedding.sources import UnitEmbeddings
from ppi.embedding.units import EncodedComplex


class Batch(NamedTuple):
    """A ragged batch with its targets and weights, ``(B,)`` each."""

    complexes: RaggedBatch
    target: Tensor
    weight: Tensor


class Examples(NamedTuple):
    """Encoded complexes with standardised targets, loss weights and the group of each."""

    encoded: list[EncodedComplex]
    target: np.ndarray
    weight: np.ndarray
    group: np.ndarray


class BalancedBatches(Sampler[list[int]]):
    """Shuffled batches of one epoch: at most `per_group` rows of each group, drawn anew each time.

    The heads take ragged batches, so batches need not hold complexes of one length: they are random.

    Parameters
    ----------
    lengths
        Residues of each row.
    group
        Group of each row.
    per_group
        Most rows of a group in an epoch.
    budget
        Most residues in a batch.
    seed
        Of the draw and the order.
    """

    def __init__(
        self, lengths: Sequence[int], group: np.ndarray, per_group: int, budget: int, seed: int
    ) -> None:
        self.lengths, self.per_group, self.budget, self.seed = lengths, per_group, budget, seed
        self.rows_of_group = [np.flatnonzero(group == name) for name in np.unique(group)]
        self.epoch = 0

    def __iter__(self) -> Iterator[list[int]]:
        batches = self.batches(self.epoch)
        self.epoch += 1
        return iter(batches)

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the batches of one epoch."""
        random = np.random.default_rng([self.seed, epoch])
        drawn = [random.permutation(rows)[: self.per_group] for rows in self.rows_of_group]
        order = random.permutation(np.concatenate(drawn))
        return list(budget_batches(self.lengths, self.budget, order.tolist()))


class AffinityData(lightning.LightningDataModule):
    """Loaders over embedded units.

    Parameters
    ----------
    units
        Embeddings of every unit of both parts.
    train, validation
        The parts.
    per_group, budget, seed
        See `BalancedBatches`.
    """

    def __init__(
        self,
        units: UnitEmbeddings,
        train: Examples,
        validation: Examples,
        *,
        per_group: int,
        budget: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.units, self.train, self.validation, self.budget = units, train, validation, budget
        self.sampler = BalancedBatches(
            [item.residues for item in train.encoded], train.group, per_group, budget, seed
        )

    def train_dataloader(self) -> DataLoader[int]:
        return self._loader(self.train, self.sampler)

    def val_dataloader(self) -> DataLoader[int]:
        lengths = [item.residues for item in self.validation.encoded]
        return self._loader(self.validation, list(budget_batches(lengths, self.budget)))

    def _loader(self, part: Examples, batches: Sampler[list[int]] | list[list[int]]) -> DataLoader[int]:
        def collate(rows: list[int]) -> Batch:
            return Batch(
                self.units.gather([part.encoded[row] for row in rows]),
                torch.tensor(part.target[rows], dtype=torch.float32),
                torch.tensor(part.weight[rows], dtype=torch.float32),
            )

        rows = range(len(part.encoded))
        return DataLoader(rows, batch_sampler=batches, collate_fn=collate)  # type: ignore[arg-type]
