"""A batch of variants that are worth measuring together.

Each acquisition is evaluated over joint draws of the posterior, variant after variant, so that a variant
that tells the same as another of the batch is worth little. Expected improvement, over the best measured
variant of the same draw, is that of batches, chosen greedily (Wilson et al., NeurIPS 2018). The upper bound
counts the variants before as measured with their mean as the result (Desautels et al., JMLR 2014). Thompson
sampling takes a draw for each variant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppi.complexes import Complex
from ppi.prediction.adapting.surrogate import Surrogate
from ppi.prediction.suggesting.acquisition import Acquisition, marginal_scores, upper_bound

#: Variants that are drawn jointly: those with the highest marginal scores.
SHORT_LIST = 2_000
#: Joint draws.
DRAWS = 512


@dataclass(frozen=True)
class Batch:
    """Chosen variants, in the order in which they were chosen.

    Attributes
    ----------
    numbers
        ``(B,)`` which of the candidates.
    scores
        ``(B,)`` what each was chosen for: the improvement that it is expected to add to the measured
        variants and those chosen before; its upper bound once those are known; or its value in its draw.
    """

    numbers: np.ndarray
    scores: np.ndarray


def short_list(by: Acquisition, mean: np.ndarray, std: np.ndarray, best: float, size: int) -> np.ndarray:
    """Return the numbers of the variants with the highest marginal scores, the highest first.

    There are `SHORT_LIST` of them, or `size` where that is more.
    """
    marginal = marginal_scores(by, mean, std, best)
    listed: np.ndarray = np.argsort(-marginal, kind="stable")[: max(SHORT_LIST, size)]
    return listed


def choose_batch(
    surrogate: Surrogate,
    candidates: Sequence[Complex],
    mean: np.ndarray,
    *,
    measured: Sequence[Complex],
    by: Acquisition,
    size: int,
    seed: int = 0,
) -> Batch:
    """Choose variants to measure.

    Parameters
    ----------
    surrogate
        What is known.
    candidates
        ``N`` variants that have not been measured, such as those of `short_list`; where several are worth
        the same, the first one is taken.
    mean
        ``(N,)`` predicted.
    measured
        Variants that have been measured, to improve on.
    by
        Acquisition.
    size
        Size of the batch, at most ``N``.
    seed
        Seed of the draws.
    """
    if by == "thompson":
        return Batch(*one_a_draw(surrogate.sample(candidates, size, seed)))
    if by == "upper-bound":
        return Batch(*by_upper_bound(surrogate.sample(candidates, DRAWS, seed), mean, size))
    draws = surrogate.sample([*candidates, *measured], DRAWS, seed)
    new, known = np.split(draws, [len(candidates)], axis=1)
    return Batch(*by_improvement(new, size, known.max(axis=1)))


def by_improvement(draws: np.ndarray, size: int, floor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Choose columns one by one, each the one that raises the mean of the highest value of a draw most.

    Parameters
    ----------
    draws
        ``(S, N)`` values; where several columns add as much, the first one is taken.
    size
        How many columns.
    floor
        ``(S,)`` highest value before any column.

    Returns
    -------
    tuple of ndarray
        ``(size,)`` columns, and by how much each raises the mean.
    """
    highest = floor
    numbers, gains = list[int](), list[float]()
    free = np.ones(draws.shape[1], dtype=bool)
    for _ in range(size):
        gain = np.where(free, np.maximum(draws - highest[:, None], 0.0).mean(axis=0), -np.inf)
        number = int(gain.argmax())
        free[number] = False
        highest = np.maximum(highest, draws[:, number])
        numbers.append(number)
        gains.append(float(gain[number]))
    return np.array(numbers), np.array(gains)


def by_upper_bound(draws: np.ndarray, mean: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Choose columns one by one, each the one with the highest upper bound once those before it are known.

    The standard deviation that is then left is that of the draws without what those columns explain.

    Parameters
    ----------
    draws
        ``(S, N)`` from a joint normal distribution.
    mean
        ``(N,)`` of it.
    size
        How many columns.

    Returns
    -------
    tuple of ndarray
        ``(size,)`` columns, and their upper bounds.
    """
    left = draws - draws.mean(axis=0)
    free = np.ones(len(mean), dtype=bool)
    numbers, values = list[int](), list[float]()
    for _ in range(size):
        bound = np.where(free, upper_bound(mean, left.std(axis=0)), -np.inf)
        number = int(bound.argmax())
        free[number] = False
        numbers.append(number)
        values.append(float(bound[number]))
        known = left[:, number].copy()
        if known.any():
            left -= np.outer(known, known @ left / (known @ known))
    return np.array(numbers), np.array(values)


def one_a_draw(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the best column of each of ``(S, N)`` draws that no draw before it took, and its value."""
    free = np.ones(draws.shape[1], dtype=bool)
    numbers, values = list[int](), list[float]()
    for draw in draws:
        number = int(np.where(free, draw, -np.inf).argmax())
        free[number] = False
        numbers.append(number)
        values.append(float(draw[number]))
    return np.array(numbers), np.array(values)
