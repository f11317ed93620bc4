"""Training data: encoded complexes with their labels, and the loaders of batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import lightning
import numpy as np
import pandas as pd
from torch.utils.data import DataLoader, Dataset

from ppi.embedding.units import EncodedComplex, encode_complexes, warn_truncated
from ppi.errors import InputError
from ppi.io.tables import ComplexTable
from ppi.models.affinity import AffinityModel
from ppi.training.losses import RANKING
from ppi.training.sampling import BalancedBatches, micro_batches
from ppi.training.settings import TrainSettings


class Examples(NamedTuple):
    """Encoded complexes with their standardised targets, loss weights and groups."""

    encoded: list[EncodedComplex]
    target: np.ndarray
    weight: np.ndarray
    group: np.ndarray

    @property
    def lengths(self) -> list[int]:
        """Number of residues of each complex."""
        return [item.residues for item in self.encoded]


def make_examples(
    model: AffinityModel,
    part: ComplexTable,
    labels: np.ndarray,
    *,
    truncate: bool,
) -> Examples:
    """Encode one part of a table for the heads of a model; each row is its own group with weight 1.

    Raises
    ------
    InputError
        If a complex is over the backbone's limit.
    """
    encoded, truncated = encode_complexes(
        part.complexes,
        model.encoding_unit,
        model.backbone.max_residues,
        truncate=truncate,
        both_orders=model.both_orders,
    )
    warn_truncated(part.complexes, truncated)
    target = (labels - model.config.label_mean) / model.config.label_std
    return Examples(encoded, target, np.ones(len(part)), np.arange(len(part)))


def row_weights(part: ComplexTable) -> np.ndarray:
    """Return ``(N,)`` weights of the rows in the loss: the column ``weight``, or ones.

    Raises
    ------
    InputError
        If a weight is not a finite number above zero.
    """
    if "weight" not in part.columns:
        return np.ones(len(part))
    weight = pd.to_numeric(part.columns["weight"], errors="coerce").to_numpy(dtype=np.float64)
    wrong = ~(np.isfinite(weight) & (weight > 0))
    if wrong.any():
        first = int(wrong.argmax())
        name, found = part.complexes[first].id, part.columns["weight"].iloc[first]
        raise InputError(f"complex {name!r}: the weight is {found}; it must be a finite number above zero")
    return weight


def row_groups(part: ComplexTable, settings: TrainSettings) -> tuple[np.ndarray, np.ndarray]:
    """Return the group of each row and how often an epoch draws the row on average.

    Raises
    ------
    InputError
        If the column that the settings balance by is missing or has gaps.
    """
    column = settings.balance
    if column == "auto":
        column = "pdb" if "pdb" in part.columns else "none"
    if column == "none":
        return np.arange(len(part)), np.ones(len(part))
    remedy = "use --balance none to train on all rows alike"
    if column not in part.columns:
        raise InputError(f"the table has no column {column!r}, which --balance {column} needs; {remedy}")
    names = part.columns[column]
    if names.isna().any():
        name = part.complexes[int(names.isna().to_numpy().argmax())].id
        raise InputError(
            f"complex {name!r} has no {column}, which --balance {settings.balance} needs; {remedy}"
        )
    _, group, sizes = np.unique(names.astype(str), return_inverse=True, return_counts=True)
    return group, np.minimum(sizes, settings.per_group)[group] / sizes[group]


class _Rows(Dataset[list[int]]):
    """A data set whose items are the row numbers themselves."""

    def __getitem__(self, rows: list[int]) -> list[int]:
        return rows


class AffinityData(lightning.LightningDataModule):
    """Data loaders of row numbers; the module gathers the embeddings.

    Parameters
    ----------
    train, validation
        Training and validation examples.
    settings
        Settings of the run.
    seed
        Seed for drawing and ordering the rows.
    """

    def __init__(self, train: Examples, validation: Examples, settings: TrainSettings, seed: int) -> None:
        super().__init__()
        self.examples, self.validation, self.settings, self.seed = train, validation, settings, seed

    def sampler(self, rank: int = 0, world_size: int = 1) -> BalancedBatches:
        """Return the batches of one process of a run."""
        balanced = self.settings.balance != "none"
        return BalancedBatches(
            self.examples.lengths,
            self.examples.group,
            self.settings.per_group if balanced else 1,
            self.settings.batch_residues,
            self.seed,
            at_least=2 if RANKING & self.settings.losses.keys() else 1,
            rank=rank,
            world_size=world_size,
        )

    def train_dataloader(self) -> DataLoader[list[int]]:
        sampler = self.sampler(self._rank, self._world_size)
        # Lightning reads the length before it sets the epoch, and epochs differ in length.
        sampler.set_epoch(self.trainer.current_epoch if self.trainer else 0)
        return _loader(sampler)

    def val_dataloader(self) -> DataLoader[list[int]]:
        mine = range(self._rank, len(self.validation.encoded), self._world_size)
        return _loader(list(micro_batches(self.validation.lengths, mine, self.settings.micro_budget)))

    @property
    def _rank(self) -> int:
        return self.trainer.global_rank if self.trainer else 0

    @property
    def _world_size(self) -> int:
        return self.trainer.world_size if self.trainer else 1


def _loader(batches: BalancedBatches | Sequence[list[int]]) -> DataLoader[list[int]]:
    # The batches are a sampler, because Lightning sets the epoch of samplers.
    return DataLoader(_Rows(), sampler=batches, batch_size=None)
