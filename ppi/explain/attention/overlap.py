"""Whether different classes of complexes need the same heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

#: Fraction of the heads that are called the most important, and the least number of complexes of a class.
TOP, MIN_COMPLEXES = 0.1, 10
#: Random halves of a class for the overlap with itself.
_HALVES = 20


class Overlap(NamedTuple):
    """The overlap of the most important heads.

    Attributes
    ----------
    column
        Column that gives the classes.
    heads
        Number of heads that are compared.
    chance
        Overlap of two random sets of this size.
    table
        Class by class, Jaccard index of the sets of heads. The diagonal has the mean over random halves of a
        class: what the overlap would be without a difference between classes, for half as many complexes.
    complexes
        Number of complexes of each class.
    omitted
        Classes with fewer than `MIN_COMPLEXES` complexes.
    """

    column: str
    heads: int
    chance: float
    table: pd.DataFrame
    complexes: dict[str, int]
    omitted: list[str]


def overlap(effects: np.ndarray, classes: Sequence[str], column: str, *, seed: int) -> Overlap:
    """Return the overlap between classes, ``|A and B| / |A or B|`` of the sets of the most important heads.

    It follows the question of "Circuit reuse": whether the components that one task needs serve another as
    well.

    Parameters
    ----------
    effects
        ``(K, C)`` effect of switching off each head on each complex.
    classes
        Class of each complex.
    column
        What gives the classes.
    seed
        Seed of the random halves.
    """
    labels = np.asarray(classes, dtype=object)
    counts = {name: int((labels == name).sum()) for name in sorted(set(labels))}
    names = [name for name, count in counts.items() if count >= MIN_COMPLEXES]
    size = max(1, round(TOP * len(effects)))
    sets = {name: most_important(effects[:, labels == name], size) for name in names}
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            one: {
                other: _with_itself(effects[:, labels == one], size, random)
                if one == other
                else jaccard(sets[one], sets[other])
                for other in names
            }
            for one in names
        }
    )
    chance = size / (2 * len(effects) - size)
    kept = {name: counts[name] for name in names}
    return Overlap(column, size, chance, table, kept, [name for name in counts if name not in kept])


def most_important(effects: np.ndarray, size: int) -> frozenset[int]:
    """Return the heads with the largest mean effect over the complexes of ``(K, C)`` effects."""
    return frozenset(np.argsort(-np.nanmean(effects, axis=1), kind="stable")[:size].tolist())


def jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    """Return the size of the intersection divided by that of the union."""
    return len(one & other) / len(one | other)


def _with_itself(effects: np.ndarray, size: int, random: np.random.Generator) -> float:
    found = []
    for _ in range(_HALVES):
        order = random.permutation(effects.shape[1])
        half = len(order) // 2
        found.append(
            jaccard(*(most_important(effects[:, part], size) for part in (order[:half], order[half:])))
        )
    return float(np.mean(found))
