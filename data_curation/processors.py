"""How many processors there are to compute on."""

from __future__ import annotations

import os


def available_processors() -> int:
    """Return how many processors this process may use: in a container, fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
