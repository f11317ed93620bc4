"""Which complexes an optimiser step sees, and in which pieces they go through the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from ppi.embedding.batching import budget_batches


class BalancedBatches(Sampler[list[int]]):
    """Shuffled batches of one epoch: at most `per_group` rows of each group, drawn anew in each epoch.

    The heads take ragged batches, so batches need not hold complexes of one length: they are random. The
    epoch is set from outside, as Lightning does it, and decides the batches together with the seed, so
    that a resumed run draws those that it would have drawn.

    Parameters
    ----------
    lengths
        Residues of each row.
    group
        Group of each row.
    per_group
        Most rows of a group in an epoch.
    budget
        Most residues in a batch of more than `at_least` rows.
    seed
        Seed of the draw and of the order.
    at_least
        Fewest rows in a batch, as far as there are that many.
    rank, world_size
        Number of the process that takes the batches, and of all processes. They share those of the epoch in
        turn; where these run out the first come again, so that all processes have as many.
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
        # Made at the first step: Lightning makes the iterator of a resumed run before it sets the epoch.
        yield from self.batches(self.epoch)

    def __len__(self) -> int:
        """Return how many batches this process has in the chosen epoch; epochs may differ."""
        return len(self.batches(self.epoch))

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the batches that this process has in an epoch."""
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


def micro_batches(lengths: Sequence[int], rows: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Cut the rows of an effective batch, in their order, into pieces that go through the model one by one.

    Parameters
    ----------
    lengths
        Residues of each row of the table.
    rows
        Rows of the effective batch.
    budget
        Most residues in a piece; a longer row is a piece of its own.

    Yields
    ------
    list of int
        Rows of one piece.
    """
    return budget_batches(lengths, budget, rows)
