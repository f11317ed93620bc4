"""Intervals: coverage of new groups, ranks by hand, and what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ppi.errors import InputError, ModelError
from ppi.models.calibration import (
    Calibration,
    check_groups,
    fit_calibration,
    group_quantile,
    needed_groups,
    read_calibration,
)

CALIBRATION = Calibration(0.9, 2.0, 1.0, 0.5, 0.25, 1024, 323, 0.9, 5.5)


def calibrate(
    error: np.ndarray, groups: np.ndarray | None = None, level: float = 0.9, **known: Any
) -> Calibration:
    """Calibrate where only the size of the errors is of interest: nothing but a constant can be fitted."""
    given = {"spread": np.full(len(error), np.nan), "identity": np.ones(len(error)), **known}
    alone = np.arange(len(error)) if groups is None else groups
    return fit_calibration(error, np.zeros(len(error)), groups=alone, level=level, **given)


def width(calibration: Calibration, spread: float = np.nan, identity: float = 1.0) -> float:
    return float(calibration.half_width(np.array([spread]), np.array([identity]))[0])


def test_half_width_by_hand() -> None:
    half_width = CALIBRATION.half_width(np.array([0.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.2]))
    assert half_width == pytest.approx([2.0, 3.0, 3.4])


def test_unknown_identity_is_the_widest() -> None:
    assert width(CALIBRATION, 1.0, np.nan) == width(CALIBRATION, 1.0, 0.0) > width(CALIBRATION, 1.0, 0.01)


def test_without_spread_its_part_is_left_out(random: np.random.Generator) -> None:
    calibration = calibrate(random.normal(size=50))
    assert calibration.per_spread == calibration.per_distance == 0
    assert np.isfinite(width(calibration))
    with pytest.raises(ModelError, match="predicts a spread .*, but this one does not"):
        width(CALIBRATION)


def test_the_rank_is_rounded_up() -> None:
    nine, alone = np.arange(1.0, 10.0), np.ones(9)
    # With the new one they are ten: 90 % is the ninth, 80 % the eighth, 81 % more than that.
    assert [group_quantile(nine, alone, level) for level in (0.9, 0.8, 0.81)] == [9.0, 8.0, 9.0]


def test_the_rank_counts_groups() -> None:
    # Groups of 4, 1 and 1; half of the weight of four groups is 2: all of the first and one more.
    scores = np.array([3.0, 1.0, 2.0, 4.0, 0.5, 5.0])
    weight = np.array([0.25, 0.25, 0.25, 0.25, 1.0, 1.0])
    assert group_quantile(scores, weight, 0.5) == 4.0
    assert group_quantile(scores, weight, 0.49) == 4.0
    assert group_quantile(scores, weight, 0.43) == 3.0
    assert group_quantile(scores, weight, 0.51) == 5.0
    # Ninety times 0.1 is less than 9 in floating point.
    assert group_quantile(np.arange(90.0), np.full(90, 0.1), 0.9) == 89.0


#: The scores of the complexes of each group.
some_groups = st.lists(st.lists(st.floats(0, 100), min_size=1, max_size=6), min_size=1, max_size=40)
some_level = st.floats(0.05, 0.95)
few_examples = settings(max_examples=25)


def quantile_of(groups: list[list[float]], level: float) -> float:
    weight = np.concatenate([np.full(len(group), 1 / len(group)) for group in groups])
    return group_quantile(np.concatenate(groups), weight, level)


@few_examples
@given(some_groups, some_level)
def test_the_quantile_is_the_smallest_score_that_holds_the_level(
    groups: list[list[float]], level: float
) -> None:
    assume(len(groups) >= needed_groups(level))
    quantile = quantile_of(groups, level)

    def held(limit: float, strictly: bool) -> float:
        inside = [[score < limit if strictly else score <= limit for score in group] for group in groups]
        return sum(map(np.mean, inside)) / (len(groups) + 1)  # the new group counts as outside

    assert held(quantile, strictly=False) >= level - 1e-8
    assert held(quantile, strictly=True) <= level + 1e-8


@few_examples
@given(some_groups, some_level, some_level)
def test_a_higher_level_never_has_a_smaller_quantile(
    groups: list[list[float]], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assume(len(groups) >= needed_groups(high))
    assert quantile_of(groups, low) <= quantile_of(groups, high)


@few_examples
@given(some_groups, some_level, st.randoms(use_true_random=False))
def test_order_of_groups_and_copies_of_a_group_change_no_quantile(
    groups: list[list[float]], level: float, random: Random
) -> None:
    assume(len(groups) >= needed_groups(level))
    shuffled = [group * 3 for group in random.sample(groups, len(groups))]
    assert quantile_of(shuffled, level) == quantile_of(groups, level)


@few_examples
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 0.8, 0.9]))
def test_a_new_group_is_covered_on_average(seed: int, level: float) -> None:
    """Whichever group is the new one: of all, each left out in turn, the level is held."""
    random = np.random.default_rng(seed)
    count = int(random.integers(needed_groups(level) + 1, 40))
    hard = random.gamma(2, size=count)
    groups = [list(random.gamma(2, hard[g], size=random.integers(1, 7))) for g in range(count)]
    covered = [
        np.mean(np.array(groups[new]) <= quantile_of(groups[:new] + groups[new + 1 :], level))
        for new in range(count)
    ]
    assert np.mean(covered) >= level - 1e-9


def test_a_group_has_the_weight_of_one_complex(random: np.random.Generator) -> None:
    error = random.gamma(2, size=60)
    once = calibrate(error)
    copies = np.repeat(np.arange(60), random.integers(1, 30, 60))
    series = calibrate(error[copies], copies)
    assert (series.complexes, series.groups) == (len(copies), 60)
    assert series.constant == pytest.approx(once.constant)
    # The folds deal groups by size, so scores differ a little.
    assert width(series) == pytest.approx(width(once), rel=0.1)


def test_new_groups_are_covered_though_one_group_fills_the_table(random: np.random.Generator) -> None:
    scale = np.append(0.1, random.gamma(4, 0.25, 600))
    groups = np.repeat(np.arange(601), [2000, *random.integers(1, 9, 600)])
    error = random.normal(size=len(groups)) * scale[groups]
    known = groups <= 300
    new = np.unique(groups[~known], return_index=True)[1]

    def coverage(calibrated_on: np.ndarray) -> float:
        half_width = width(calibrate(error[known], calibrated_on))
        return float(np.mean(np.abs(error[~known][new]) <= half_width))

    assert coverage(groups[known]) == pytest.approx(0.9, abs=0.04)
    # As if all rows were independent: the easy series makes every interval too narrow.
    assert coverage(np.arange(known.sum())) < 0.8


@pytest.mark.parametrize("hard", ["spread", "distance"])
def test_hard_complexes_get_wide_intervals(random: np.random.Generator, hard: str) -> None:
    difficulty = random.uniform(0, 1, 4000)
    error = random.normal(size=4000) * (0.2 + 2 * difficulty)
    spread, identity = (difficulty, np.ones(4000)) if hard == "spread" else (np.zeros(4000), 1 - difficulty)
    half = slice(2000)
    calibration = calibrate(error[half], spread=spread[half], identity=identity[half])
    inside = (np.abs(error) <= calibration.half_width(spread, identity))[2000:]
    constant = width(calibrate(error[half]))
    for part in (difficulty[2000:] < 0.2, difficulty[2000:] > 0.8):
        assert inside[part].mean() == pytest.approx(0.9, abs=0.05)
        assert abs(np.mean(np.abs(error[2000:][part]) <= constant) - 0.9) > 0.08


def test_difficulty_has_not_seen_what_it_divides() -> None:
    # One group is as far off as it is spread, and alone in that: fitted along, it would hide itself.
    error, spread = np.ones(20), np.zeros(20)
    error[0], spread[0] = 50.0, 1.0
    calibration = calibrate(error, spread=spread, level=0.95)
    assert calibration.per_spread == pytest.approx(49.0, abs=0.2)
    assert calibration.quantile > 20


def test_rows_in_any_order_give_the_same(random: np.random.Generator) -> None:
    error, groups = random.normal(size=200), random.integers(0, 40, 200)
    order = random.permutation(200)
    first, second = calibrate(error, groups), calibrate(error[order], groups[order])
    assert asdict(first) == pytest.approx(asdict(second))


@pytest.mark.parametrize(("level", "needed"), [(0.9, 9), (0.5, 1), (0.95, 19), (0.8, 4)])
def test_too_few_groups(level: float, needed: int) -> None:
    check_groups(np.arange(needed), level)
    with pytest.raises(InputError, match=f"at least {needed} groups .* are of {needed - 1}"):
        check_groups(np.arange(needed - 1), level)


def test_unfit_validation_complexes() -> None:
    with pytest.raises(InputError, match=r"there are only 2 validation complexes; at least 9 groups"):
        calibrate(np.ones(2))
    with pytest.raises(InputError, match="at least 9 groups .* these are of 8"):
        calibrate(np.ones(400), np.arange(400) % 8)
    with pytest.raises(InputError, match="1 validation errors are not finite"):
        calibrate(np.append(np.ones(20), np.nan))
    with pytest.raises(InputError, match="without any error"):
        calibrate(np.zeros(20))
    with pytest.raises(InputError, match="level of the interval is 1.0"):
        calibrate(np.ones(20), level=1.0)


def test_json_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(asdict(CALIBRATION)))
    assert read_calibration(path) == CALIBRATION


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"half_width": 2.0}, "half_width: Unexpected"),
        ({"quantile": float("nan")}, "quantile: Input should be a finite number, but got nan"),
        ({"per_spread": -0.5}, "per_spread: Input should be greater than or equal to 0, but got -0.5"),
        ({"level": 1.0}, "level: Input should be less than 1"),
        ({"groups": 9.5}, "groups: Input should be a valid integer"),
        ({"constant": "1"}, "constant: Input should be a valid number, but got '1'"),
        ({"constant": None}, "constant: Input should be a valid number, but got None"),
    ],
)
def test_damaged_files(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({**asdict(CALIBRATION), **change}))
    with pytest.raises(ModelError, match=f"calibration.json: {message}"):
        read_calibration(path)


def test_incomplete_files(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text('{"level": 0.9}')
    with pytest.raises(ModelError, match="calibration.json: quantile: Field required"):
        read_calibration(path)
    path.write_text("{")
    with pytest.raises(ModelError, match="calibration.json: the file: Invalid JSON"):
        read_calibration(path)
