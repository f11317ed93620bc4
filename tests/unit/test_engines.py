"""Engines: results in order, few items ahead, nothing left running."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from data_curation.processors import LIMIT, available_processors
from ppi.engines.base import Resources
from ppi.engines.build import build_engine
from ppi.engines.local import LocalEngine
from ppi.errors import SettingsError
from ppi.prediction.screening import memory
from ppi.prediction.screening.memory import available_memory


def test_results_come_in_the_order_of_the_items() -> None:
    def slow(number: int) -> int:
        time.sleep(0.02 if number % 2 else 0.0)
        return number**2

    found = LocalEngine().map(lambda: slow, range(20), Resources(workers=3))
    assert list(found) == [number**2 for number in range(20)]


def test_few_items_are_taken_ahead() -> None:
    taken = []

    def items() -> object:
        for number in range(100):
            taken.append(number)
            yield number

    found = LocalEngine().map(lambda: lambda number: number, items(), Resources(workers=2))
    assert next(found) == 0
    assert len(taken) <= 5
    found.close()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_runs_after_an_error(error: type[BaseException]) -> None:
    running = []

    def work(number: int) -> int:
        running.append(number)
        if number == 3:
            raise error("stop")
        return number

    with pytest.raises(error, match="stop"):
        list(LocalEngine().map(lambda: work, range(100), Resources(workers=2)))
    seen = len(running)
    assert seen < 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ppi")]


def test_threads_are_set_up_once() -> None:
    made = []

    def setup() -> Callable[[int], int]:
        made.append(1)
        return lambda number: number

    assert list(LocalEngine().map(setup, range(9), Resources(workers=3))) == list(range(9))
    assert made == [1]


def test_an_engine_that_is_not_there_is_named() -> None:
    assert isinstance(build_engine("local"), LocalEngine)
    with pytest.raises(SettingsError, match="'dask'; give 'local' or 'ray'"):
        build_engine("dask")


def test_a_worker_is_needed() -> None:
    with pytest.raises(SettingsError, match="0; give 1 or more"):
        Resources(workers=0)


@pytest.mark.parametrize(
    ("given", "most"), [("1", 1), ("100000", None), ("0", None), ("many", None), ("", None)]
)
def test_the_number_of_processors_can_be_limited(
    given: str, most: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LIMIT, raising=False)
    every = available_processors()
    monkeypatch.setenv(LIMIT, given)
    assert available_processors() == (most or every)


def test_the_memory_is_that_of_the_smallest_control_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "sys" / "slurm" / "job_1"
    own.mkdir(parents=True)
    (own / "memory.max").write_text("max\n")
    (own.parent / "memory.max").write_text("123456\n")
    (tmp_path / "cgroup").write_text("0::/slurm/job_1\n")
    monkeypatch.setattr(memory, "_PROCESS", tmp_path / "absent")
    assert (available_memory() or 0) > 123456
    monkeypatch.setattr(memory, "_PROCESS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_ROOT", tmp_path / "sys")
    assert available_memory() == 123456
    limit = tmp_path / "sys" / "memory" / "memory.limit_in_bytes"
    limit.parent.mkdir()
    limit.write_text("99999\n")
    (tmp_path / "cgroup").write_text("5:cpu,cpuacct:/x\n4:memory:/docker/abc\n")
    assert available_memory() == 99999
