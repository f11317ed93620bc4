"""How many rounds of measurements it takes to find one of the best variants of a series, beside random choice.

    python benchmarks/suggest.py --by expected-improvement --by thompson

In each mutation series of the data set with 40 members or more, 8 variants are drawn at random and taken as
measured. Batches of 8 follow, until one of the best 1 % of the series, the best one at least, has been measured:
chosen by a model that was adapted to what was measured so far, or at random. All choices of a seed start from
the same 8 variants. Rounds are counted after the first 8.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ppi.complexes import Complex
from ppi.prediction.adapting.surrogate import Surrogate
from ppi.prediction.suggesting.acquisition import Acquisition, check_acquisition
from ppi.prediction.suggesting.batch import choose_batch

SMALLEST, BATCH = 40, 8
#: Part of a series that is good enough.
BEST = 0.01

#: Adapts a model to measured members of a series.
Fit = Callable[[Sequence[Complex]], Surrogate]
#: Chooses the next members of a series, by their numbers: those measured, those left, the size, the seed.
Choose = Callable[[list[int], list[int], int, int], list[int]]


def good_enough(pkd: np.ndarray) -> set[int]:
    """Return the members that are among the best; members with the value of the last of them count, too."""
    last = np.sort(pkd)[-max(1, int(BEST * len(pkd)))]
    return set(np.flatnonzero(pkd >= last).tolist())


def rounds(members: int, wanted: set[int], choose: Choose, seed: int) -> int:
    """Return the rounds until a wanted member has been measured."""
    order = np.random.default_rng(seed).permutation(members).tolist()
    known, left = order[:BATCH], sorted(order[BATCH:])
    count = 0
    while wanted.isdisjoint(known):
        batch = choose(known, left, min(BATCH, len(left)), 1000 * seed + count)
        known, left = known + batch, [number for number in left if number not in set(batch)]
        count += 1
    return count


def at_random(known: list[int], left: list[int], size: int, seed: int) -> list[int]:
    """Choose members without looking."""
    return np.random.default_rng(seed).choice(left, size, replace=False).tolist()


def by_model(series: Sequence[Complex], fit: Fit, by: Acquisition) -> Choose:
    """Choose members by a model that is adapted in each round."""

    def choose(known: list[int], left: list[int], size: int, seed: int) -> list[int]:
        measured = [series[number] for number in known]
        model = fit(measured)
        candidates = [series[number] for number in left]
        mean, _ = model.predict(candidates)
        batch = choose_batch(model, candidates, mean, measured=measured, by=by, size=size, seed=seed)
        return [left[number] for number in batch.numbers]

    return choose
