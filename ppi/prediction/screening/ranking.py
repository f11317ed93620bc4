"""Where the candidates of one target stand among each other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Fewest candidates of which a z-score says something.
LEAST_POOL = 10


class Ranking(NamedTuple):
    """How ``N`` candidates of one target compare.

    Attributes
    ----------
    order
        ``(N,)`` the candidates, the best first.
    rank
        ``(N,)`` from 1, by pKd. Where pKd is equal the higher lower end of the interval decides; candidates
        that are equal in both share the better rank.
    overlapping
        ``(N,)`` how many other candidates have an interval that overlaps with this one's, so that the two
        cannot be told apart.
    z_score
        ``(N,)`` pKd minus the mean of the pool, over its standard deviation; NaN for a pool of fewer than
        `LEAST_POOL`, or one that is all alike.
    """

    order: np.ndarray
    rank: np.ndarray
    overlapping: np.ndarray
    z_score: np.ndarray


def ranking(pkd: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> Ranking:
    """Compare the candidates of a target.

    Parameters
    ----------
    pkd, lower, upper
        ``(N,)`` predictions, and the ends of their intervals.
    """
    count = len(pkd)
    # A stable sort: candidates that are equal stay in the order of the input.
    order = np.lexsort((-lower, -pkd))
    new = np.ones(count, dtype=bool)
    new[1:] = (np.diff(pkd[order]) != 0) | (np.diff(lower[order]) != 0)
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.maximum.accumulate(np.where(new, np.arange(1, count + 1), 0))
    below = np.searchsorted(np.sort(upper), lower, side="left")
    above = count - np.searchsorted(np.sort(lower), upper, side="right")
    return Ranking(order, rank, count - 1 - below - above, _z_scores(pkd))


def _z_scores(pkd: np.ndarray) -> np.ndarray:
    spread = pkd.std(ddof=1) if len(pkd) >= LEAST_POOL else 0.0
    if spread == 0:
        return np.full(len(pkd), np.nan)
    scores: np.ndarray = (pkd - pkd.mean()) / spread
    return scores
