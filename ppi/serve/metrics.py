"""Figures about a server, as Prometheus reads them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping

#: What each figure is: its kind and a sentence.
_METRICS = {
    "ppi_requests_total": ("counter", "Requests that were answered."),
    "ppi_request_seconds_total": ("counter", "Seconds until requests were answered."),
    "ppi_residues_total": ("counter", "Residues of the complexes that were predicted."),
    "ppi_waiting_requests": ("gauge", "Requests for predictions that wait."),
    "ppi_jobs": ("gauge", "Jobs that are kept, by state."),
}


class Metrics:
    """Counts requests, their seconds and residues; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        where = f'method="{method}",route="{route}"'
        with self._lock:
            self._counts["ppi_requests_total", f'{where},status="{status}"'] += 1
            self._counts["ppi_request_seconds_total", where] += seconds  # type: ignore[assignment]

    def residues(self, count: int) -> None:
        """Count residues that were predicted."""
        with self._lock:
            self._counts["ppi_residues_total", ""] += count

    def text(self, waiting: int, jobs: Mapping[str, int]) -> str:
        """Return all figures, with how many requests wait and how many jobs have each state."""
        with self._lock:
            now: dict[tuple[str, str], float] = dict(self._counts)
        now["ppi_waiting_requests", ""] = waiting
        now |= {("ppi_jobs", f'state="{state}"'): count for state, count in jobs.items()}
        return "\n".join(_lines(now)) + "\n"


def _lines(figures: Mapping[tuple[str, str], float]) -> Iterator[str]:
    for name, (kind, sentence) in _METRICS.items():
        yield f"# HELP {name} {sentence}"
        yield f"# TYPE {name} {kind}"
        for (of, labels), value in sorted(figures.items()):
            if of == name:
                yield f"{name}{{{labels}}} {value!r}" if labels else f"{name} {value!r}"
