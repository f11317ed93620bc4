"""Progress of long work: a bar if standard error is a terminal, else a logged line every 30 s."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_LOG = logging.getLogger(__name__)
#: Seconds between two lines of a log.
LINE_SECONDS = 30.0
#: Lock of the progress bar that is shown.
_BAR = threading.Lock()


class Pace:
    """A timer for lines of a log, which are due every `LINE_SECONDS`."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def due(self) -> bool:
        """Return whether the next line is due; if so, the timer restarts."""
        now = time.monotonic()
        if now - self._last < LINE_SECONDS:
            return False
        self._last = now
        return True


class _Speed(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {self.unit}/s" if speed else "")


@contextmanager
def progress_bar(what: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Show the progress, speed and remaining time of some work, as a bar or as lines of a log.

    A terminal shows one bar at a time; nested work has no bar.

    Parameters
    ----------
    what
        Name of the work.
    total
        Number of units of work.
    unit
        Name of the units.

    Yields
    ------
    callable
        Function that takes the number of additional finished units.
    """
    if not sys.stderr.isatty():
        yield _Lines(what, total, unit).advance
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(unit),
        TimeRemainingColumn(),
    )
    if not _BAR.acquire(blocking=False):
        yield lambda done: None
        return
    try:
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(what, total=total)
            yield lambda done: progress.advance(task, done)
    finally:
        _BAR.release()


class _Lines:
    """Logs the progress at the intervals of `Pace`."""

    def __init__(self, what: str, total: int, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done, self._started, self._pace = 0, time.monotonic(), Pace()

    def advance(self, done: int) -> None:
        """Count more units as done."""
        self.done += done
        if self.done and self._pace.due():
            seconds = max(time.monotonic() - self._started, 1e-9)
            left = seconds * max(self.total - self.done, 0) / self.done
            _LOG.info(
                "%s: %s of %s %s, %s %s/s, about %.0f s left",
                self.what,
                f"{self.done:,}",
                f"{self.total:,}",
                self.unit,
                f"{self.done / seconds:,.0f}",
                self.unit,
                left,
            )
