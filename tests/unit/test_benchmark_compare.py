"""How the result of a benchmark is compared with a baseline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from compare import Measure, compare, main, read_result, write_result
from conftest import REPOSITORY

BASELINE = {
    "time": Measure("lower", 0.2, {"a": 1.0, "b": 2.0}),
    "Spearman": Measure("higher", 0.05, {"a": 0.5}),
    "coverage": Measure("neither", 0.05, {"a": 0.9}),
}


def verdicts(tolerance: float | None = None, **changed: dict[str, float]) -> list[str]:
    result = {
        name: Measure(measure.better, measure.tolerance, changed.get(name, measure.figures))
        for name, measure in BASELINE.items()
    }
    return compare(BASELINE, result, tolerance)["verdict"].tolist()


def test_worse_depends_on_the_direction_and_the_tolerance() -> None:
    assert verdicts() == ["same"] * 4
    assert verdicts(time={"a": 1.19, "b": 2.5}) == ["same", "worse", "same", "same"]
    assert verdicts(time={"a": 0.5, "b": 2.0}, Spearman={"a": 0.4}) == ["better", "same", "worse", "same"]
    assert verdicts(coverage={"a": 0.99}) == verdicts(coverage={"a": 0.8}) == ["same"] * 3 + ["worse"]
    assert verdicts(0.01, time={"a": 1.02, "b": 2.0}) == ["worse", "same", "same", "same"]


def test_what_is_missing_or_not_a_number_does_not_pass() -> None:
    assert verdicts(time={"a": 1.0}, Spearman={"a": float("nan")}) == ["same", "missing", "worse", "same"]
    table = compare(BASELINE, {})
    assert (table["verdict"] == "missing").all()


@pytest.mark.parametrize(("value", "status"), [(0.49, 0), (0.4, 1)])
def test_the_exit_status_says_whether_a_figure_is_worse(
    value: float,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    baseline, result = tmp_path / "baseline.json", tmp_path / "result.json"
    monkeypatch.setattr("sys.argv", ["/somewhere/benchmarks/made.py", "--seeds", "2"])
    write_result(baseline, BASELINE)
    write_result(result, BASELINE | {"Spearman": Measure("higher", 0.05, {"a": value})})
    assert json.loads(baseline.read_text())["command"] == "python benchmarks/made.py --seeds 2"
    monkeypatch.setattr("sys.argv", ["compare.py", str(baseline), str(result)])
    assert main() == status
    assert f"{status} of 4 figures are worse than the tolerance allows" in capsys.readouterr().out


@pytest.mark.parametrize("path", sorted((REPOSITORY / "benchmarks" / "baselines").glob("*.json")), ids=str)
def test_stored_baselines_can_be_read_and_name_a_benchmark(path: Path) -> None:
    assert all(measure.figures for measure in read_result(path).values())
    stored = json.loads(path.read_text())
    assert (REPOSITORY / stored["command"].split()[1]).is_file()
    assert len(stored["commit"]) == 40
