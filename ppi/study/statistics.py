"""Comparison of configurations: paired bootstrap tests, and mean ranks over splits and seeds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ppi.evaluation.bootstrap import INTERVAL, resample
from ppi.metrics import resampled_spearman

#: Number of resamples of a test, which is enough for a correction over hundreds of pairs.
TEST_RESAMPLES = 9_999
RANK_RESAMPLES = 1_000
# Number of resamples that a metric takes at a time.
_BLOCK = 1_000


class Ranks(NamedTuple):
    """Mean rank of each of ``C`` configurations, 1 the best, and its 95 % interval: ``(C,)`` each."""

    mean: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return ``(P,)`` p-values corrected for their number, in the same order.

    The step-down procedure, which bounds the chance of any false rejection for tests that may depend on
    each other (Holm 1979, Scand. J. Stat. 6:65).
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(1, np.maximum.accumulate(factors * p_values[order]))
    return corrected


def resampled_scores(measured: np.ndarray, predicted: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return Spearman's rho on all complexes, then on each resample.

    Parameters
    ----------
    measured, predicted
        ``(N,)`` pKd.
    draws
        ``(R, N)`` from `ppi.evaluation.bootstrap.resample`.

    Returns
    -------
    ndarray
        ``(R + 1,)``.
    """
    whole = np.ones((1, len(measured)))
    blocks = [whole, *(draws[start : start + _BLOCK] for start in range(0, len(draws), _BLOCK))]
    return np.concatenate([resampled_spearman(measured, predicted, block) for block in blocks])


def paired_tests(
    measured: np.ndarray,
    predictions: Mapping[str, np.ndarray],
    groups: np.ndarray,
    *,
    references: Sequence[str] = (),
    resamples: int = TEST_RESAMPLES,
    seed: int = 0,
) -> pd.DataFrame:
    """Test for each pair of predictors whether their Spearman differs, on the same complexes.

    The paired cluster bootstrap: both are scored on the same resamples of groups. The two-sided
    p-value is the smallest level at which the percentile interval of the difference leaves out 0: twice
    ``(1 + b) / (R + 1)`` with ``b`` of ``R`` resamples on the rarer side of 0, zeros among them, at most 1
    (Davison & Hinkley 1997, *Bootstrap Methods and their Application*, sections 3.8 and 4.2).

    Parameters
    ----------
    measured
        ``(N,)`` pKd.
    predictions
        ``(N,)`` pKd by name.
    groups
        ``(N,)`` groups that the bootstrap draws.
    references
        Predictors of which one must be in a pair; by default all pairs are tested.
    resamples, seed
        Number of resamples, and seed of the draws.

    Returns
    -------
    DataFrame
        One row per pair, in the given order: ``first, second, difference`` (first - second), ``lower, upper``
        (95 %), ``p, p_holm`` (`holm` over all rows). With one group there are no resamples: all but the
        difference is NaN.
    """
    draws = resample(groups, resamples=resamples, seed=seed)
    scores = {name: resampled_scores(measured, values, draws) for name, values in predictions.items()}
    rows = []
    for first, second in itertools.combinations(scores, 2):
        if references and not {first, second} & set(references):
            continue
        difference, *samples = scores[first] - scores[second]
        rows.append((first, second, difference, *_interval_and_p(np.array(samples))))
    columns = ["first", "second", "difference", "lower", "upper", "p"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(p_holm=holm(table["p"].to_numpy(dtype=np.float64)))


def _interval_and_p(samples: np.ndarray) -> tuple[float, float, float]:
    if not len(samples):
        return (float("nan"),) * 3
    lower, upper = np.percentile(samples, INTERVAL)
    rarer = min((samples <= 0).sum(), (samples >= 0).sum())
    return float(lower), float(upper), min(1.0, 2 * float(1 + rarer) / (len(samples) + 1))


def mean_ranks(splits: Sequence[Sequence[np.ndarray]], *, seed: int = 0) -> Ranks:
    """Return the rank that one run of a configuration takes, on average over splits and seeds.

    The same seed in two configurations is unrelated. So the mean is over all
    choices of one seed for each configuration: 1 + the sum over the others of the chance that a run of
    theirs scores higher, a tie counting half. The interval is of a bootstrap that draws the test complexes
    of each split (the resamples given) and, independently, the seeds of each configuration.

    Parameters
    ----------
    splits
        For each split and each of ``C`` configurations ``(R + 1, S)``: scores of ``S`` seeds on all
        complexes, then on ``R`` resamples. ``S`` may differ.
    seed
        Seed of the draws of seeds.
    """
    random = np.random.default_rng(seed)
    ranks = np.mean([_ranks(scores, random) for scores in splits], axis=0)
    if len(ranks) == 1:
        return Ranks(ranks[0], *np.full((2, ranks.shape[1]), np.nan))
    lower, upper = np.percentile(ranks[1:], INTERVAL, axis=0)
    return Ranks(ranks[0], lower, upper)


def _ranks(scores: Sequence[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """Return ``(R + 1, C)`` mean ranks on one split."""
    weights = [_seed_weights(of_one, random) for of_one in scores]
    ranks = np.ones((len(scores[0]), len(scores)))
    for one, other in itertools.combinations(range(len(scores)), 2):
        higher = np.sign(scores[other][:, None, :] - scores[one][:, :, None]) / 2 + 0.5
        beaten = np.einsum("rs,rst,rt->r", weights[one], higher, weights[other])
        ranks[:, one] += beaten
        ranks[:, other] += 1 - beaten
    return ranks


def _seed_weights(scores: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return ``(R + 1, S)`` weights of the seeds: first equal, then the frequency of each in a resample."""
    seeds = scores.shape[1]
    drawn = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=len(scores)) / seeds
    drawn[0] = 1 / seeds
    return drawn
