"""Cells of a study share the jobs: how many run at a time, on which devices, and what is left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ppi.study import processes
from ppi.study.launching import CellTask
from ppi.study.processes import Failure, run_cells


class MadeUpCells:
    """Starts cells that end at their second poll; one named `bad` fails, and one named `stop` is Ctrl-C."""

    def __init__(self) -> None:
        self.started = list[CellTask]()
        self.running = list[str]()
        self.most = 0
        self.ended = list[str]()

    def __call__(self, task: CellTask) -> MadeUpCell:
        if task.name == "stop":
            raise KeyboardInterrupt
        self.started.append(task)
        self.running.append(task.name)
        self.most = max(self.most, len(self.running))
        return MadeUpCell(self, task)


class MadeUpCell:
    def __init__(self, cells: MadeUpCells, task: CellTask) -> None:
        self.cells, self.task, self.polls = cells, task, 0

    def poll(self) -> int | None:
        self.polls += 1
        if self.polls < 2:
            return None
        self.cells.running.remove(self.task.name)
        folder = self.task.folder / "cells" / self.task.name
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(json.dumps({"validation_spearman": 0.5}))
        (folder / "log.txt").write_text("\n".join(f"line {number}" for number in range(20)))
        return 3 if self.task.name == "bad" else 0

    def terminate(self) -> None:
        self.cells.running.remove(self.task.name)

    def end(self) -> None:
        self.cells.ended.append(self.task.name)


def go(names: list[str], folder: Path, launch: MadeUpCells) -> list[Failure]:
    devices = ["cuda:0", "cuda:1"]
    return run_cells(names, folder, jobs=2, threads=1, devices=devices, store=folder / "s", launch=launch)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_POLL_SECONDS", 0.0)


def test_two_cells_run_at_a_time_on_devices_in_turn(tmp_path: Path) -> None:
    cells = MadeUpCells()
    failures = go(["one", "bad", "two", "three"], tmp_path, cells)
    assert [task.name for task in cells.started] == ["one", "bad", "two", "three"]
    assert cells.most == 2
    assert sorted(task.device for task in cells.started[:2]) == ["cuda:0", "cuda:1"]
    assert sorted(task.device for task in cells.started[2:]) == ["cuda:0", "cuda:1"]
    (failure,) = failures
    assert (failure.name, failure.status) == ("bad", 3)
    assert failure.tail.splitlines() == [f"line {number}" for number in range(5, 20)]


def test_an_interrupt_ends_the_cells_that_run(tmp_path: Path) -> None:
    cells = MadeUpCells()
    with pytest.raises(KeyboardInterrupt):
        go(["one", "stop", "two"], tmp_path, cells)
    assert cells.ended == ["one"]
    assert not cells.running
