"""How the benchmark of suggestions counts rounds."""

from __future__ import annotations

import numpy as np
import suggest as benchmark


def test_one_of_the_best_is_good_enough() -> None:
    pkd = np.array([5.0, 9.0, 8.0, 9.0])
    assert benchmark.good_enough(pkd) == {1, 3}
    assert benchmark.good_enough(pkd, without=1) == {3}
    assert benchmark.good_enough(np.arange(300.0)) == {297, 298, 299}


def test_rounds_are_counted_until_it_is_measured() -> None:
    def in_order(known: list[int], left: list[int], seed: int) -> list[int]:
        return left[:8]

    start = list(range(8))
    counts = [benchmark.rounds(40, start, {wanted}, in_order, 0) for wanted in (3, 8, 15, 16, 39)]
    assert counts == [0, 1, 1, 2, 4]
    assert benchmark.rounds(40, start, {20, 30}, in_order, 0) == 2


def test_the_first_members_are_those_of_the_seed_and_the_reference() -> None:
    drawn = benchmark.first_members(40, None, seed=1)
    with_reference = benchmark.first_members(40, 5, seed=1)
    assert len(set(drawn)) == len(set(with_reference)) == 8
    assert with_reference[0] == 5
    assert drawn == benchmark.first_members(40, None, seed=1) != benchmark.first_members(40, None, seed=2)
