"""Scores against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ppi.complexes import Complex
from ppi.evaluation.bootstrap import groups_of, resample, score, with_interval
from ppi.io.tables import ComplexTable
from ppi.metrics import METRICS, RESAMPLED, cap_labels, kendall, mae, pearson, r2, rmse, spearman


def test_correlations_agree_with_scipy_ties_included(random: np.random.Generator) -> None:
    # More complexes than Kendall's tau takes in one block of pairs.
    measured, predicted = random.integers(0, 6, 1100), random.normal(size=1100).round(1)
    assert spearman(measured, predicted) == pytest.approx(stats.spearmanr(measured, predicted)[0])
    assert pearson(measured, predicted) == pytest.approx(stats.pearsonr(measured, predicted)[0])
    assert kendall(measured, predicted) == pytest.approx(stats.kendalltau(measured, predicted)[0])


def test_a_constant_ranks_nothing() -> None:
    # The mean of these is not exactly 0.1: rounding must not become a correlation.
    for constant in (np.ones(5), np.full(5, 0.1)):
        assert [METRICS[name](np.arange(5.0), constant) for name in ("spearman", "pearson", "kendall")] == [
            0
        ] * 3
    assert np.isnan(r2(np.full(5, 0.1), np.arange(5.0)))


def test_errors_by_hand() -> None:
    measured, predicted = np.array([1.0, 2.0]), np.array([1.0, 5.0])
    assert rmse(measured, predicted) == pytest.approx(np.sqrt(4.5))
    assert mae(measured, predicted) == pytest.approx(1.5)
    assert r2(measured, predicted) == pytest.approx(1 - 9 / 0.5)


@pytest.mark.parametrize("name", RESAMPLED)
def test_a_resample_is_scored_as_if_written_out(name: str, random: np.random.Generator) -> None:
    measured, predicted = random.normal(7, 2, 40).round(1), random.normal(7, 2, 40).round(1)
    draws = resample(random.integers(0, 12, 40), resamples=5)
    for counts, found in zip(draws, RESAMPLED[name](measured, predicted, draws), strict=True):
        rows = np.repeat(np.arange(40), counts.astype(int))
        assert found == pytest.approx(METRICS[name](measured[rows], predicted[rows]))


def test_bootstrap_interval_holds_the_value_and_repeats(random: np.random.Generator) -> None:
    measured = random.normal(size=60)
    predicted = measured + random.normal(size=60)
    scores = score(measured, predicted, resample(np.arange(60)))
    assert all(s.lower < s.value < s.upper for s in scores.values())
    assert scores == score(measured, predicted, resample(np.arange(60)))
    assert scores["pearson"].upper - scores["pearson"].lower < 0.5


def test_groups_are_drawn_whole_and_widen_the_interval(random: np.random.Generator) -> None:
    groups = np.repeat(np.arange(8), 20)
    draws = resample(groups)
    assert draws.shape == (1000, 160)
    assert (draws.reshape(1000, 8, 20) == draws.reshape(1000, 8, 20)[:, :, :1]).all()
    assert (draws.sum(axis=1) == 160).all()
    error = random.normal(size=8)[groups]  # the same for all complexes of a group
    by_group, by_row = (score(np.zeros(160), error, resample(g))["mae"] for g in (groups, np.arange(160)))
    assert by_group.upper - by_group.lower > 2 * (by_row.upper - by_row.lower)


def test_one_group_gives_no_interval() -> None:
    found = score(np.arange(4.0), np.arange(4.0), resample(np.zeros(4)))
    assert found["spearman"].value == 1.0
    assert np.isnan([found["spearman"].lower, found["rmse"].upper]).all()
    assert with_interval(2.0, np.array([np.nan, 1.0, 1.0])) == (2.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("columns", "name", "groups"),
    [
        ({"cluster": ["a", "b", "a"], "pdb": ["x", "x", "y"]}, "cluster", 2),
        ({"pdb": ["x", None, None]}, "pdb", 3),
        ({"source": ["x", "x", "x"]}, "complex", 3),
    ],
)
def test_groups_come_from_clusters_else_pdb_entries(
    columns: dict[str, list[str]], name: str, groups: int
) -> None:
    complexes = [Complex(str(row), ("MKV",), ("GGS",)) for row in range(3)]
    found = groups_of(ComplexTable(complexes, pd.DataFrame(columns)))
    assert (found.column, len(set(found.number))) == (name, groups)


def test_capped_labels() -> None:
    capped = cap_labels(np.array([4.0, 9.0, 14.0]))
    assert capped == pytest.approx([4.0, -np.log10(1.1e-9), 10.0], abs=1e-4)
