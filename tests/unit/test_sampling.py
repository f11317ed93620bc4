"""Batches of an optimiser step: balanced, resumable, shared between processes, cut into pieces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ppi.embedding.batching import budget_batches
from ppi.training.sampling import BalancedBatches, micro_batches

#: 50 rows of one group, 3 of another and a single one, not side by side.
GROUP = np.random.default_rng(0).permutation([7] * 50 + [3] * 3 + [5])
LENGTHS = np.random.default_rng(1).integers(5, 40, len(GROUP)).tolist()


def rows_of(batches: Sequence[Sequence[int]]) -> list[int]:
    return [row for batch in batches for row in batch]


def test_an_epoch_draws_each_group_alike() -> None:
    sampler = BalancedBatches(LENGTHS, GROUP, per_group=4, budget=60, seed=0)
    drawn = rows_of(list(sampler))
    assert len(set(drawn)) == len(drawn)
    assert np.unique(GROUP[drawn], return_counts=True)[1].tolist() == [3, 1, 4]
    assert all(sum(LENGTHS[row] for row in batch) <= 60 for batch in sampler)


def test_every_row_of_a_large_group_is_drawn_as_often() -> None:
    sampler = BalancedBatches(LENGTHS, GROUP, per_group=5, budget=60, seed=0)
    counts = np.bincount(rows_of([batch for epoch in range(1000) for batch in sampler.batches(epoch)]))
    assert counts[GROUP != 7].tolist() == [1000] * 4
    assert np.allclose(counts[GROUP == 7], 100, atol=45)  # 4.7 standard deviations


def test_groups_lie_anywhere_in_an_epoch() -> None:
    sampler = BalancedBatches(LENGTHS, GROUP, per_group=4, budget=10**6, seed=0)
    places = [np.flatnonzero(GROUP[sampler.batches(epoch)[0]] == 7).mean() for epoch in range(400)]
    assert np.mean(places) == pytest.approx(3.5, abs=0.25)  # the middle of 8


def test_epoch_and_seed_decide_and_iterating_does_not_change_them() -> None:
    sampler = BalancedBatches(LENGTHS, GROUP, 4, 60, seed=0)
    first = list(sampler)
    assert list(sampler) == first
    sampler.set_epoch(1)
    second = list(sampler)
    assert second != first
    resumed = BalancedBatches(LENGTHS, GROUP, 4, 60, seed=0)
    resumed.set_epoch(1)
    assert list(resumed) == second
    assert list(BalancedBatches(LENGTHS, GROUP, 4, 60, seed=1)) != first


def test_an_epoch_set_after_the_iterator_was_made_counts() -> None:
    """Lightning makes the iterator first where a run is resumed."""
    sampler = BalancedBatches(LENGTHS, GROUP, 4, 60, seed=0)
    iterator = iter(sampler)
    sampler.set_epoch(3)
    assert list(iterator) == sampler.batches(3)


def test_length_is_that_of_the_epoch() -> None:
    sampler = BalancedBatches(LENGTHS, GROUP, 20, 60, seed=0)
    lengths = set()
    for epoch in range(20):
        sampler.set_epoch(epoch)
        assert len(sampler) == len(list(sampler))
        lengths.add(len(sampler))
    assert len(lengths) > 1  # of different rows


def test_a_batch_is_closed_only_once_it_holds_enough() -> None:
    lengths = [50, 10, 10, 10, 60, 70, 5]
    order = range(len(lengths))
    assert list(budget_batches(lengths, 30, order)) == [[0], [1, 2, 3], [4], [5], [6]]
    assert list(budget_batches(lengths, 30, order, at_least=2)) == [[0, 1], [2, 3], [4, 5, 6]]
    assert list(budget_batches(lengths, 30, order, at_least=3)) == [[0, 1, 2], [3, 4, 5, 6]]
    assert list(budget_batches(lengths, 30, [5, 0, 6], at_least=2)) == [[5, 0, 6]]
    assert list(budget_batches(lengths, 30, [5], at_least=2)) == [[5]]
    assert list(budget_batches(lengths, 30, [], at_least=2)) == []


@pytest.mark.parametrize("at_least", [1, 2, 5])
def test_batches_hold_enough_and_no_row_is_lost(at_least: int) -> None:
    for epoch in range(20):
        sampler = BalancedBatches(LENGTHS, GROUP, 20, 45, seed=0, at_least=at_least)
        batches = sampler.batches(epoch)
        assert len(rows_of(batches)) == len(set(rows_of(batches))) == 24
        assert min(map(len, batches)) >= at_least


@pytest.mark.parametrize("world_size", [2, 3, 4, 50])
def test_processes_share_the_batches_of_an_epoch(world_size: int) -> None:
    together = BalancedBatches(LENGTHS, GROUP, 20, 60, seed=0).batches(2)
    samplers = [
        BalancedBatches(LENGTHS, GROUP, 20, 60, seed=0, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    for sampler in samplers:
        sampler.set_epoch(2)
    shares = [list(sampler) for sampler in samplers]
    assert {len(share) for share in shares} == {-(-len(together) // world_size)}
    assert [len(sampler) for sampler in samplers] == [len(share) for share in shares]
    dealt = [shares[number % world_size][number // world_size] for number in range(sum(map(len, shares)))]
    again = (together * world_size)[: len(dealt) - len(together)]
    assert dealt == together + again  # in turn, and the first once more


def test_pieces_of_a_batch_keep_to_the_budget() -> None:
    lengths = [5, 30, 7, 7, 1, 12, 3]
    rows = [6, 1, 3, 5, 0]
    assert list(micro_batches(lengths, rows, 20)) == [[6], [1], [3, 5], [0]]
    assert list(micro_batches(lengths, rows, 60)) == [rows]
