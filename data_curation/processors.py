"""The number of available processors."""

from __future__ import annotations

import os

#: Variable of the environment that limits the number of processors, for processes that share a machine.
LIMIT = "PPI_PROCESSORS"


def available_processors() -> int:
    """Return the number of processors that this process may use, which can be fewer than the machine has."""
    given = os.environ.get(LIMIT, "")
    return min(_allowed(), int(given)) if given.isdecimal() and int(given) else _allowed()


def _allowed() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
