"""Bootstrap intervals that resample groups, because complexes of one group are not independent."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ppi.io.tables import GROUP_COLUMNS, ComplexTable
from ppi.metrics import RESAMPLED

RESAMPLES = 1000
INTERVAL = (2.5, 97.5)


class Score(NamedTuple):
    """A score and its 95 % percentile bootstrap interval; NaN if there is none."""

    value: float
    lower: float
    upper: float


class Groups(NamedTuple):
    """Groups of complexes that are drawn together: ``(N,)`` group numbers, and the column they come from."""

    column: str
    number: np.ndarray


def groups_of(table: ComplexTable) -> Groups:
    """Return the groups of a table: its clusters, else its PDB entries, else single complexes.

    See `ppi.io.tables.ComplexTable.targets`; the column is called ``complex`` if there is none.
    """
    column = next((name for name in GROUP_COLUMNS if name in table.columns), "complex")
    return Groups(column, np.unique(table.targets(), return_inverse=True)[1])


def resample(groups: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Return how often each resample contains each complex.

    Groups are drawn with replacement, as many as there are (the cluster bootstrap: Davison & Hinkley 1997,
    *Bootstrap Methods and their Application*, section 3.8); each drawn group brings all its complexes.

    Parameters
    ----------
    groups
        ``(N,)`` group of each complex.
    resamples
        Number of resamples, ``R``.
    seed
        Seed of the draws.

    Returns
    -------
    ndarray
        ``(R, N)`` counts. With only one group there are no resamples, because the variation between groups is
        unknown.
    """
    _, number = np.unique(groups, return_inverse=True)
    count = int(number.max(initial=-1)) + 1
    if count < 2:
        return np.empty((0, len(groups)))
    random = np.random.default_rng(seed)
    drawn = random.multinomial(count, np.full(count, 1 / count), size=resamples)
    return drawn[:, number].astype(np.float64)


def score(measured: np.ndarray, predicted: np.ndarray, draws: np.ndarray) -> dict[str, Score]:
    """Score predictions.

    Parameters
    ----------
    measured, predicted
        ``(N,)`` pKd.
    draws
        ``(R, N)`` from `resample`; predictors that share them are compared on the same resamples.

    Returns
    -------
    dict
        A `Score` for each of `ppi.metrics.RESAMPLED`.
    """
    # The complexes themselves are one more resample, which contains each of them once.
    weights = np.concatenate([np.ones((1, len(measured))), draws])
    found = {name: metric(measured, predicted, weights) for name, metric in RESAMPLED.items()}
    return {name: with_interval(float(values[0]), values[1:]) for name, values in found.items()}


def with_interval(value: float, samples: np.ndarray) -> Score:
    """Return a value with the interval of its ``(R,)`` resamples, excluding NaN."""
    known = samples[np.isfinite(samples)]
    if not len(known):
        return Score(value, float("nan"), float("nan"))
    lower, upper = np.percentile(known, INTERVAL)
    return Score(value, float(lower), float(upper))
