"""The comparisons of a study: pairs of configurations on each split, and mean ranks over all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ppi.evaluation.bootstrap import resample
from ppi.study.scores import SplitResults
from ppi.study.statistics import RANK_RESAMPLES, mean_ranks, paired_tests, resampled_scores


def pair_table(
    results: Sequence[SplitResults], order: Mapping[str, Sequence[str]], references: Sequence[str] = ()
) -> pd.DataFrame:
    """Test pairs of configurations on each split, by the mean prediction of their seeds on test.

    Parameters
    ----------
    results
        Results of each split.
    order
        Order of the configurations of each split, which is also the order in a pair.
    references
        Configurations of which one must be in a pair; by default all pairs are tested.

    Returns
    -------
    DataFrame
        ``split`` and the columns of `ppi.study.statistics.paired_tests`; the correction is over the pairs
        of one split.
    """
    tables = []
    for result in results:
        test = result.test
        means = {name: result.predicted[name].mean(axis=0)[test] for name in order[result.name]}
        measured, groups = result.rows["measured"].to_numpy()[test], result.rows["group"].to_numpy()[test]
        found = paired_tests(measured, means, groups, references=references)
        found.insert(0, "split", result.name)
        tables.append(found)
    return pd.concat(tables, ignore_index=True)


def rank_table(results: Sequence[SplitResults]) -> pd.DataFrame:
    """Rank the configurations that have a result on every split by their Spearman on test.

    Returns
    -------
    DataFrame
        ``configuration, rank, lower, upper`` (95 %), by increasing rank; see
        `ppi.study.statistics.mean_ranks`. Empty if no configuration has one.
    """
    names = [name for name in results[0].predicted if all(name in result.predicted for result in results)]
    if not names:
        return pd.DataFrame(columns=["configuration", "rank", "lower", "upper"], dtype=float)
    ranks = mean_ranks([_test_scores(result, names, seed) for seed, result in enumerate(results)])
    columns = {"configuration": names, "rank": ranks.mean, "lower": ranks.lower, "upper": ranks.upper}
    table = pd.DataFrame(columns)
    return table.sort_values("rank", kind="stable", ignore_index=True)


def _test_scores(result: SplitResults, names: Sequence[str], seed: int) -> list[np.ndarray]:
    """Return ``(R + 1, S)`` test Spearman of the seeds of each configuration."""
    test = result.test
    measured, groups = result.rows["measured"].to_numpy()[test], result.rows["group"].to_numpy()[test]
    draws = resample(groups, resamples=RANK_RESAMPLES, seed=seed)

    def of_seeds(predicted: np.ndarray) -> np.ndarray:
        return np.stack([resampled_scores(measured, values, draws) for values in predicted[:, test]], axis=1)

    return [of_seeds(result.predicted[name]) for name in names]
