"""Sampling of the complexes of an optimiser step, and their division into pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from ppi.embedding.batching import budget_batches


class BalancedBatches(Sampler[list[int]]):
    """Shuffled batches of one epoch: at most `per_group` rows of each group, drawn again in each epoch.

    The heads take ragged batches, so complexes of different lengths are batched at random. Lightning sets the
    epoch, which determines the batches together with the seed, so that a resumed run draws the same batches.

    Parameters
    ----------
    lengths
        Number of residues of each row.
    group
        Group of each row.
    per_group
        Maximum number of rows of a group in an epoch.
    budget
        Maximum number of residues in a batch of more than `at_least` rows.
    seed
        Seed of the draw and of the order.
    at_least
        Minimum number of rows in a batch, if there are that many.
    rank, world_size
        Index of this process, and number of processes. They take the batches of the epoch in turn; the first
        batches are repeated if necessary, so that all processes have the same number.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        group: np.ndarray,
        per_group: int,
        budget: int,
        seed: int,
        *,
        at_least: int = 1,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.lengths, self.per_group, self.budget, self.seed = lengths, per_group, budget, seed
        self.at_least, self.rank, self.world_size = at_least, rank, world_size
        _, self.group, self.sizes = np.unique(group, return_inverse=True, return_counts=True)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, counted from 0, whose batches come next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        # The batches are made at the first step, because Lightning makes the iterator of a resumed run before
        # it sets the epoch.
        yield from self.batches(self.epoch)

    def __len__(self) -> int:
        """Return the number of batches of this process in the chosen epoch; epochs may differ."""
        return len(self.batches(self.epoch))

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the batches of this process in an epoch."""
        order = self._drawn(np.random.default_rng([self.seed, epoch])).tolist()
        everyone = list(budget_batches(self.lengths, self.budget, order, at_least=self.at_least))
        share = -(-len(everyone) // self.world_size)
        mine = range(self.rank, share * self.world_size, self.world_size)
        return [everyone[number % len(everyone)] for number in mine]

    def _drawn(self, random: np.random.Generator) -> np.ndarray:
        """Return the rows of an epoch in random order."""
        shuffled = random.permutation(len(self.group))
        by_group = shuffled[np.argsort(self.group[shuffled], kind="stable")]
        place = np.arange(len(by_group)) - np.repeat(self.sizes.cumsum() - self.sizes, self.sizes)
        return random.permutation(by_group[place < self.per_group])


def drawn_rows(lengths: Sequence[int], residues: int, seed: int) -> list[int]:
    """Draw rows, without repetition, until they have a number of residues or there are none left.

    Parameters
    ----------
    lengths
        Number of residues of each row.
    residues
        Number of residues; the last row drawn may exceed it.
    seed
        Seed of the draw.
    """
    order = np.random.default_rng(seed).permutation(len(lengths))
    before = np.cumsum(np.asarray(lengths)[order]) - np.asarray(lengths)[order]
    drawn: list[int] = order[before < residues].tolist()
    return drawn


def micro_batches(lengths: Sequence[int], rows: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Divide the rows of an effective batch, in order, into pieces that are computed one by one.

    Parameters
    ----------
    lengths
        Number of residues of each row of the table.
    rows
        Rows of the effective batch.
    budget
        Maximum number of residues in a piece; a longer row is a separate piece.

    Yields
    ------
    list of int
        Rows of one piece.
    """
    return budget_batches(lengths, budget, rows)
