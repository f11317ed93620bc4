"""The memory that this process may use: that of the machine, or the limit of its container or job."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_PROCESS, _ROOT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def available_memory() -> float | None:
    """Return the bytes of memory that this process may use; None where the system does not say it.

    Limits of control groups, which containers and schedulers such as Slurm set, count.
    """
    sizes = [*_machine(), *_limits()]
    return min(sizes) if sizes else None


def _machine() -> Iterator[float]:
    try:
        yield float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return


def _limits() -> Iterator[float]:
    """Yield the limit of each control group that this process is in, versions 1 and 2."""
    try:
        lines = _PROCESS.read_text().splitlines()
    except OSError:  # This system has no control groups.
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        root, name = (_ROOT / "memory", "memory.limit_in_bytes") if kinds else (_ROOT, "memory.max")
        own = root / path.lstrip("/")
        # In a container the path may be that of the host, and the root is the container's own group.
        for folder in (own, *own.parents):
            if folder.is_relative_to(root) and (text := _text(folder / name)).isdecimal():
                yield float(text)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
