"""Scores against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ppi.evaluation.evaluate import cap_labels
from ppi.evaluation.metrics import mae, pearson, rmse, score, spearman
from ppi.training.module import warmup_cosine
from ppi.training.run import calibrate


def test_correlations_agree_with_scipy_ties_included(random: np.random.Generator) -> None:
    measured, predicted = random.integers(0, 6, 80), random.normal(size=80)
    assert spearman(measured, predicted) == pytest.approx(stats.spearmanr(measured, predicted)[0])
    assert pearson(measured, predicted) == pytest.approx(stats.pearsonr(measured, predicted)[0])


def test_a_constant_ranks_nothing() -> None:
    assert spearman(np.arange(5.0), np.ones(5)) == 0.0


def test_errors_by_hand() -> None:
    measured, predicted = np.array([1.0, 2.0]), np.array([1.0, 5.0])
    assert rmse(measured, predicted) == pytest.approx(np.sqrt(4.5))
    assert mae(measured, predicted) == pytest.approx(1.5)


def test_bootstrap_interval_holds_the_value_and_repeats(random: np.random.Generator) -> None:
    measured = random.normal(size=60)
    predicted = measured + random.normal(size=60)
    scores = score(measured, predicted)
    assert all(s.lower < s.value < s.upper for s in scores.values())
    assert scores == score(measured, predicted)
    assert scores["pearson"].upper - scores["pearson"].lower < 0.5


def test_capped_labels() -> None:
    capped = cap_labels(np.array([4.0, 9.0, 14.0]))
    assert capped == pytest.approx([4.0, -np.log10(1.1e-9), 10.0], abs=1e-4)


def test_interval_covers_new_residuals_of_the_same_kind(random: np.random.Generator) -> None:
    residuals = random.normal(size=2000)
    half_width = calibrate(residuals[:200], np.zeros(200)).half_width
    assert np.mean(np.abs(residuals[200:]) <= half_width) == pytest.approx(0.9, abs=0.04)


def test_schedule_rises_then_falls_to_zero() -> None:
    factors = [warmup_cosine(step, 10, 100) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == factors[10] == 1.0
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[100] == pytest.approx(0.0)
