"""A study from its YAML to its report: cells in processes that fail, are killed and go on."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ppi
import ppi.study.run
from ppi import progress
from ppi.cli import main
from ppi.errors import InputError, PpiError, TrainingError
from ppi.evaluation.baselines import SEQUENCE_BASELINES
from ppi.metrics import spearman
from ppi.models.folder import load_model
from ppi.study import processes
from ppi.study.cell import run_cell
from ppi.study.plan import plan_study
from ppi.study.processes import Failure
from ppi.study.run import run_study
from studies import write_study

pytestmark = pytest.mark.usefixtures("every_pair_aligned")


@pytest.fixture(scope="module")
def finished(every_pair_aligned: None, table_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of two heads and two seeds, in the folder `out` beside its YAML.

    The last cell ran in a process of its own, the others here.
    """
    folder = tmp_path_factory.mktemp("study")

    def run_cells(names: list[str], within: Path, *, store: Path, **options: Any) -> list[Failure]:
        failures = run_cells_here(names[:-1], within, store=store)
        return failures + processes.run_cells(names[-1:], within, store=store, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ppi.study.run, "run_cells", run_cells)
        run_study(write_study(folder, table_path), output=folder / "out", jobs=2, device="cpu")
    return folder


def run_cells_here(names: list[str], folder: Path, *, store: Path) -> list[Failure]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in names:
            run_cell(Path("cells", name), device="cpu", store=store)
    return []


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def refuse_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_cells(*_: object, **__: object) -> None:
        raise AssertionError("a cell was run")

    monkeypatch.setattr(ppi.study.run, "run_cells", run_cells)


def test_the_report_is_of_the_predictions_of_the_cells(finished: Path) -> None:
    table = pd.read_csv(finished / "out" / "table.csv")
    assert set(table["predictor"]) == {"hp", "ec", *SEQUENCE_BASELINES}
    assert table["predictor"].isin(["hp", "ec"]).tolist()[:2] == [True, True]
    assert table["validation_spearman_mean"][0] >= table["validation_spearman_mean"][1]
    row = table.set_index("predictor").loc["hp"]
    cells = [finished / "out" / "cells" / f"split--hp--seed{seed}" for seed in (0, 1)]
    frames = [pd.read_csv(cell / "predictions.csv") for cell in cells]
    assert list(frames[0]) == ["id", "part", "measured", "group", "predicted"]
    test = frames[0]["part"] == "test"
    scores = [spearman(frame["measured"][test], frame["predicted"][test]) for frame in frames]
    assert (row["test_spearman_mean"], row["test_spearman_sd"]) == pytest.approx(
        (np.mean(scores), np.std(scores, ddof=1))
    )
    manifests = [load_model(cell / "model").manifest for cell in cells]
    assert row["validation_spearman_mean"] == pytest.approx(
        np.mean([m["validation"]["spearman"] for m in manifests])
    )
    report = (finished / "out" / "report.md").read_text()
    chosen = table["predictor"][0]
    assert f"Validation chooses **{chosen}**" in report
    assert "4 of 4 cells are finished" in report
    assert "over the 1 pair(s) of this split" in report
    assert (finished / "out" / "rank.png").stat().st_size > 1000
    pairs = pd.read_csv(finished / "out" / "pairs.csv")
    assert pairs["p_holm"].tolist() == pairs["p"].tolist()


def test_a_printed_command_makes_the_model_again(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (finished / "out" / "report.md").read_text().splitlines()
    (command,) = [line for line in lines if line.endswith("--output again/split--hp--seed0")]
    monkeypatch.chdir(finished / "out")
    main(shlex.split(command)[1:])
    places = ("again/split--hp--seed0", "cells/split--hp--seed0/model")
    again, first = (load_model(place).manifest for place in places)
    assert again["settings"] == first["settings"]
    assert again["data_sha256"] == first["data_sha256"]
    assert again["validation"] == pytest.approx(first["validation"], abs=1e-4)


def test_a_finished_study_only_makes_its_report_again(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_to_run(monkeypatch)
    before = pd.read_csv(copied / "out" / "table.csv")
    (copied / "out" / "report.md").unlink()
    again = run_study(copied / "study.yaml", output=copied / "out")
    assert (copied / "out" / "report.md").exists()
    pd.testing.assert_frame_equal(pd.read_csv(copied / "out" / "table.csv"), before)
    assert len(again) == len(before)


def test_what_is_finished_follows_settings_and_data(
    copied: Path, table: pd.DataFrame, tmp_path: Path
) -> None:
    plan = plan_study(copied / "study.yaml", copied / "out")
    assert [plan.state(cell) for cell in plan.cells] == ["finished"] * 4
    table.assign(pkd=table.pkd + 1).to_csv(tmp_path / "other.csv", index=False)
    other = plan_study(write_study(copied, tmp_path / "other.csv"), copied / "out")
    assert [other.state(cell) for cell in other.cells] == ["changed"] * 4
    plan.cell_folder(plan.cells[0]).joinpath("result.json").unlink()
    assert plan.state(plan.cells[0]) == "unfinished"
    plan.cell_folder(plan.cells[1]).joinpath("cell.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read .*delete the folder of this cell"):
        plan.state(plan.cells[1])


def test_other_settings_are_run_anew(copied: Path, table_path: Path) -> None:
    plan = plan_study(
        write_study(copied, table_path, fixed={"mixer": "none", "max_epochs": 3}), copied / "out"
    )
    old = plan.cell_folder(plan.cells[0])
    plan.write(plan.cells[:1])
    assert sorted(entry.name for entry in old.iterdir()) == ["cell.json", "settings.yaml"]
    assert plan.state(plan.cells[0]) == "unfinished"


@pytest.mark.slow
def test_a_failed_cell_is_reported_and_the_others_stay(
    copied: Path, table_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 1.0)
    config = write_study(copied, table_path, include=[{"head": "hp", "learning_rate": 1e30}], seeds=[0])
    with pytest.raises(SystemExit) as stop:
        main(["study", str(config), "--output", str(copied / "out"), "--device", "cpu"])
    assert stop.value.code == 1
    printed = capsys.readouterr().err
    assert "3 cells, 2 of them finished" in printed
    assert "[0/1] running: split--hp-learning_rate=1e+30--seed0" in printed
    assert "[1/1] split--hp-learning_rate=1e+30--seed0: failed (exit status 1)" in printed
    assert "error: " in printed.split("at the end of its log:")[1]
    assert "1 of 3 cells failed" in printed
    report = (copied / "out" / "report.md").read_text()
    assert "2 of 3 cells are finished" in report
    assert "learning_rate=1e+30--seed0 failed" in report
    assert set(pd.read_csv(copied / "out" / "ranks.csv")["configuration"]) == {"hp", "ec"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_study_leaves_no_process_and_goes_on(
    tmp_path: Path, table_path: Path, how: signal.Signals
) -> None:
    fixed = {"mixer": "none", "max_epochs": 60, "patience": 60, "batch_residues": 500}
    config = write_study(tmp_path, table_path, grid={"head": ["hp"]}, fixed=fixed, seeds=[0])
    cell = tmp_path / "out" / "cells" / "split--hp--seed0"
    checkpoint = cell / "model.unfinished" / "member-0" / "last.ckpt"
    command = [sys.executable, "-m", "ppi", "study", str(config), "--output", str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while epochs(checkpoint.parent) < 3 and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(how)
    assert process.returncode == (130 if how != signal.SIGKILL else -signal.SIGKILL)
    wait_until(lambda: not cells_running(cell))
    plan = plan_study(config, tmp_path / "out")
    assert plan.state(plan.cells[0]) == "unfinished"
    log = pd.read_csv(checkpoint.parent / "training.csv")
    assert 3 <= len(log) < 60
    if how == signal.SIGKILL:
        run_study(config, output=tmp_path / "out", device="cpu")
        whole = pd.read_csv(cell / "model" / "training.csv")
        assert len(whole) == 60
        # The epochs before the kill were not run again; the last may have been logged, but not saved yet.
        kept = len(log) - 1
        assert whole["seconds"][:kept].tolist() == log["seconds"][:kept].tolist()


def epochs(member: Path) -> int:
    log = member / "training.csv"
    return len(log.read_text().splitlines()) - 1 if log.exists() else 0


def cells_running(cell: Path) -> bool:
    found = subprocess.run(["ps", "-Ao", "args"], capture_output=True, text=True, check=True).stdout
    return any("ppi.study.cell" in line and cell.name in line for line in found.splitlines())


def wait_until(true: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_dry_run_writes_nothing(
    tmp_path: Path, table_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_study(tmp_path, table_path)
    main(["study", str(config), "--output", str(tmp_path / "out"), "--dry-run"])
    printed = capsys.readouterr().out
    assert "4 cells, 0 of them finished" in printed
    assert "ppi train --config cells/split--ec--seed1/settings.yaml" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"fixed": {"layers": [1, 2]}}, "configuration hp: .*residue descriptors have one layer"),
        ({"fixed": {"head_options": {"aggregate": "add"}}}, "configuration hp: .*no option 'aggregate'"),
        ({"fixed": {"tuning": {"method": "full"}}}, "configuration hp: .*residue"),
    ],
)
def test_an_impossible_model_is_an_error_before_a_cell_runs(
    tmp_path: Path, table_path: Path, monkeypatch: pytest.MonkeyPatch, content: dict[str, Any], message: str
) -> None:
    refuse_to_run(monkeypatch)
    with pytest.raises(PpiError, match=message):
        run_study(write_study(tmp_path, table_path, **content), output=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_without_a_finished_cell_there_is_no_report(
    tmp_path: Path, table_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_cells(names: list[str], *_: object, **__: object) -> list[Failure]:
        return [Failure(name, 1, "error: what went wrong") for name in names]

    monkeypatch.setattr(ppi.study.run, "run_cells", run_cells)
    with pytest.raises(TrainingError, match="(?s)no cell of the study is finished.*error: what went wrong"):
        run_study(write_study(tmp_path, table_path), output=tmp_path / "out", device="cpu")


def test_frozen_models_are_embedded_before_the_cells(
    tmp_path: Path, table_path: Path, tiny_backbone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def run_cells(names: list[str], *_: object, store: Path, **__: object) -> None:
        seen.append(len(names))
        raise KeyboardInterrupt

    monkeypatch.setattr(ppi.study.run, "run_cells", run_cells)
    config = write_study(tmp_path, table_path, fixed={"backbone": tiny_backbone, "mixer": "none"})
    with pytest.raises(KeyboardInterrupt):
        run_study(config, output=tmp_path / "out", store=tmp_path / "store", device="cpu")
    assert seen == [4]
    # Chains for HP, sides for EC: nothing is left to do.
    for unit in ("chain", "side"):
        done = ppi.embed(
            table_path, backbone=tiny_backbone, unit=unit, store=tmp_path / "store", device="cpu"
        )
        assert (done.units > 48, done.embedded) == (True, 0)
