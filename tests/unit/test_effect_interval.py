"""Intervals of predicted effects: their widths, and the file that they are kept in."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ppi.backbones.checkpoints import shipped_folder
from ppi.effects.folder import read_parts
from ppi.effects.interval import EffectInterval, fit_interval
from ppi.errors import InputError, ModelError


@pytest.fixture
def interval() -> EffectInterval:
    random = np.random.default_rng(0)
    structures = [f"s{number}" for number in np.repeat(np.arange(200), 10)]
    mutations = random.integers(1, 4, size=2000)
    measured = random.normal(size=2000) * np.where(mutations > 1, 2.0, 1.0)
    zeros = np.zeros(2000)
    return fit_interval(
        structures, mutations, measured, zeros, zeros + 0.5 * np.sign(random.normal(size=2000))
    )


def test_intervals_hold_their_level_on_structures_left_out(interval: EffectInterval) -> None:
    assert interval.single == pytest.approx(1.645, rel=0.1)
    assert interval.several == pytest.approx(3.29, rel=0.1)
    assert interval.new_single > interval.single
    assert 0.87 <= interval.coverage <= 0.93
    assert 0.87 <= interval.new_coverage <= 0.93
    assert (interval.structures, interval.variants) == (200, 2000)


def test_a_width_depends_on_the_number_of_mutations(interval: EffectInterval) -> None:
    widths = interval.half_width(np.array([0, 1, 2, 5]), new=False)
    assert widths.tolist() == [0, interval.single, interval.several, interval.several]
    assert interval.half_width(np.array([1]), new=True).tolist() == [interval.new_single]


def test_one_structure_with_many_variants_counts_once() -> None:
    structures = [*(f"s{number}" for number in range(50)), *["large"] * 500]
    measured = np.array([1.0] * 50 + [9.0] * 500)
    zeros = np.zeros(550)
    found = fit_interval(
        [*structures, *structures], np.repeat([1, 2], 550), np.tile(measured, 2), *[np.tile(zeros, 2)] * 2
    )
    assert found.single == 1.0


def test_too_few_structures_are_refused() -> None:
    structures = [f"s{number}" for number in range(20)]
    zeros = np.zeros(20)
    with pytest.raises(InputError, match="in 9 structures or more, .*; there are 0"):
        fit_interval(structures, np.ones(20, dtype=int), zeros, zeros, zeros)


def test_the_shipped_interval_is_checked_and_may_be_absent(tmp_path: Path) -> None:
    folder = tmp_path / "effects"
    shutil.copytree(shipped_folder("effects"), folder)
    parts, manifest = read_parts(folder)
    assert parts.interval is not None
    assert 0.89 < parts.interval.coverage < 0.93
    (folder / "calibration.json").write_text(json.dumps({"level": 0.9}))
    with pytest.raises(ModelError, match="intervals are damaged or were replaced"):
        read_parts(folder)
    (folder / "calibration.json").unlink()
    with pytest.raises(ModelError, match=r"calibration\.json is missing"):
        read_parts(folder)
    manifest.pop("calibration_sha256")
    manifest.pop("training_complexes_sha256")
    (folder / "manifest.json").write_text(json.dumps(manifest))
    older, _ = read_parts(folder)
    assert older.interval is None
    assert older.complexes == ()
    assert len(parts.complexes) == parts.interval.structures == 343
    assert older.config == parts.config
    assert replace(parts, interval=None).config == older.config
