"""Engines: results in order, few items ahead, nothing left running."""

from __future__ import annotations

import threading
import time

import pytest

from ppi.engines.base import Resources
from ppi.engines.build import build_engine
from ppi.engines.local import LocalEngine
from ppi.errors import SettingsError


def test_results_come_in_the_order_of_the_items() -> None:
    def slow(number: int) -> int:
        time.sleep(0.02 if number % 2 else 0.0)
        return number**2

    found = LocalEngine().map(slow, range(20), Resources(workers=3))
    assert list(found) == [number**2 for number in range(20)]


def test_few_items_are_taken_ahead() -> None:
    taken = []

    def items() -> object:
        for number in range(100):
            taken.append(number)
            yield number

    found = LocalEngine().map(lambda number: number, items(), Resources(workers=2))  # type: ignore[arg-type]
    assert next(found) == 0
    assert len(taken) <= 5
    found.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_nothing_runs_after_an_error(error: type[BaseException]) -> None:
    running = []

    def work(number: int) -> int:
        running.append(number)
        if number == 3:
            raise error("stop")
        return number

    with pytest.raises(error, match="stop"):
        list(LocalEngine().map(work, range(100), Resources(workers=2)))
    seen = len(running)
    assert seen < 20
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ppi")]


def test_an_engine_that_is_not_there_is_named() -> None:
    assert isinstance(build_engine("local"), LocalEngine)
    with pytest.raises(SettingsError, match=r"'ray' is not available in this version.*ppi-affinity\[ray\]"):
        build_engine("ray")
    with pytest.raises(SettingsError, match="'dask'; 'local' is"):
        build_engine("dask")  # type: ignore[arg-type]


def test_a_worker_is_needed() -> None:
    with pytest.raises(SettingsError, match="0; give 1 or more"):
        Resources(workers=0)
