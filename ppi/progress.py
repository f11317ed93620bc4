"""Progress of long work: a bar if standard error is a terminal, else a logged line every 30 s."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

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
#: Takes the name of a work, how many of its units are done, and how many there are.
Listener: TypeAlias = "Callable[[str, int, int], None]"
_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)
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


def format_speed(speed: float, unit: str) -> str:
    """Return the speed of work in words: ``1,200 pairs/s``, ``2.5 pairs/s``, and ``8.0 s each`` below 1.

    Parameters
    ----------
    speed
        Units per second, above 0.
    unit
        Name of the units.
    """
    if speed < 1:
        return f"{1 / speed:,.1f} s each"
    return f"{speed:,.0f} {unit}/s" if speed >= 10 else f"{speed:.1f} {unit}/s"


class _Speed(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(format_speed(speed, self.unit) if speed else "")


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send progress to a function, instead of a terminal or a log; what it raises stops the work.

    This concerns the thread that calls it.
    """
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


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
    listener = _LISTENER.get()
    if listener is not None:
        yield _ListenerProgress(listener, what, total).advance
        return
    if not total:
        yield lambda done: None
        return
    if not sys.stderr.isatty():
        yield _LoggedProgress(what, total, unit).advance
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


class _ListenerProgress:
    """Report the progress to a listener."""

    def __init__(self, listener: Listener, what: str, total: int) -> None:
        self._listener, self._what, self._total, self._done = listener, what, total, 0
        self.advance(0)

    def advance(self, done: int) -> None:
        """Count more units as done."""
        self._done += done
        self._listener(self._what, self._done, self._total)


class _LoggedProgress:
    """Log the progress at the intervals of `Pace`."""

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
                "%s: %s of %s %s, %s, about %.0f s left",
                self.what,
                f"{self.done:,}",
                f"{self.total:,}",
                self.unit,
                format_speed(self.done / seconds, self.unit),
                left,
            )
