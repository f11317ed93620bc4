"""Run the cells of a study in processes, several at a time."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from ppi.progress import Pace
from ppi.study.cell import LOG_FILE, RESULT_FILE, read_json
from ppi.study.launching import CellProcess, CellTask, Launch

_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 0.1
_TAIL_LINES = 15


class Failure(NamedTuple):
    """A cell that failed: its name, the exit status of its process, and the end of its log."""

    name: str
    status: int
    tail: str


class _Running(NamedTuple):
    name: str
    slot: int
    started: float


def run_cells(
    names: Sequence[str],
    folder: Path,
    *,
    jobs: int,
    threads: int,
    devices: Sequence[str],
    store: Path,
    launch: Launch,
) -> list[Failure]:
    """Run each cell as `ppi.study.cell` in a separate process; log a line as each one ends.

    Without a terminal, a line every 30 s lists the running cells.

    Whenever this function ends (also by Ctrl-C or SIGTERM), all processes end.

    Parameters
    ----------
    names
        Names of the cells, in the order in which they start.
    folder
        Folder of the study.
    jobs, threads
        Number of cells that run at a time, and number of threads of each.
    devices
        Devices, which are assigned in turn to the running cells.
    store
        Folder of the stores of embeddings.
    launch
        Starts a cell, here or elsewhere.

    Returns
    -------
    list of Failure
        Failed cells; the other cells are finished.
    """
    waiting, running, failures = deque(names), dict[CellProcess, _Running](), list[Failure]()
    free, durations, pace = list(range(jobs))[::-1], list[float](), Pace()
    with _sigterm_as_interrupt():
        try:
            while waiting or running:
                while waiting and free:
                    name, slot = waiting.popleft(), free.pop()
                    process = launch(CellTask(folder, name, devices[slot % len(devices)], store, threads))
                    running[process] = _Running(name, slot, time.monotonic())
                time.sleep(_POLL_SECONDS)
                ended = {item: status for item in running if (status := item.poll()) is not None}
                for process, status in ended.items():
                    cell = running.pop(process)
                    free.append(cell.slot)
                    durations.append(time.monotonic() - cell.started)
                    if status:
                        failures.append(_failure(folder, cell.name, status))
                    left = (len(waiting) + len(running)) * sum(durations) / len(durations) / jobs
                    count = f"[{len(durations)}/{len(names)}]"
                    outcome = _outcome(folder, cell.name, status)
                    _LOG.info(
                        "%s %s: %s, %.0f s; about %s left",
                        count,
                        cell.name,
                        outcome,
                        durations[-1],
                        _duration(left),
                    )
                if running and not sys.stderr.isatty() and pace.due():
                    now = ", ".join(cell.name for cell in running.values())
                    _LOG.info("[%d/%d] running: %s", len(durations), len(names), now)
        finally:
            _end(running)
    return failures


def _outcome(folder: Path, name: str, status: int) -> str:
    if status:
        return f"failed (exit status {status})"
    result = read_json(folder / "cells" / name / RESULT_FILE)
    return f"validation Spearman {result['validation_spearman']:.3f}"


def _failure(folder: Path, name: str, status: int) -> Failure:
    lines = (folder / "cells" / name / LOG_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    return Failure(name, status, "\n".join(lines[-_TAIL_LINES:]))


def _end(running: dict[CellProcess, _Running]) -> None:
    for process in running:
        process.terminate()
    for process in running:
        process.end()


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Convert SIGTERM, which schedulers send to end a job, to KeyboardInterrupt."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
