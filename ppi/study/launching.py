"""Start a cell of a study in a process of its own, and end it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

from ppi.study.cell import LOG_FILE

_GRACE_SECONDS = 10


class CellTask(NamedTuple):
    """What the process of a cell is started with.

    Attributes
    ----------
    folder
        Folder of the study, where the process works.
    name
        Name of the cell.
    device, store
        See `ppi.study.cell.run_cell`.
    threads
        Number of CPU threads.
    """

    folder: Path
    name: str
    device: str
    store: Path
    threads: int


class CellProcess(Protocol):
    """A cell that was started."""

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs."""

    def terminate(self) -> None:
        """Ask it to end."""

    def end(self) -> None:
        """Return when it has ended."""


#: Starts a cell.
Launch: TypeAlias = Callable[[CellTask], CellProcess]


class LocalCell:
    """A cell in a process of this machine."""

    def __init__(self, task: CellTask) -> None:
        self._process = start_process(task)

    def poll(self) -> int | None:
        return self._process.poll()

    def terminate(self) -> None:
        """Signal the process and those that it started, such as MMseqs2."""
        if sys.platform == "win32":
            self._process.terminate()
            return
        with suppress(ProcessLookupError):  # The process has just ended.
            os.killpg(self._process.pid, signal.SIGTERM)

    def end(self) -> None:
        try:
            self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def start_process(task: CellTask) -> subprocess.Popen[bytes]:
    """Start the process of a cell, which ends when this process ends, and appends to the log of the cell."""
    command = [sys.executable, "-m", "ppi.study.cell", f"cells/{task.name}", "--device", task.device]
    command += ["--store", str(task.store), "--end-with-parent"]
    environment = os.environ | {key: str(task.threads) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    with (task.folder / "cells" / task.name / LOG_FILE).open("ab") as log:
        # In a session of its own: Ctrl-C in the terminal reaches the study, and the study ends the cell.
        return subprocess.Popen(
            command,
            cwd=task.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
