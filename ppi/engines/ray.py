"""Processes of a Ray cluster, on one or many machines."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import chain, islice
from typing import Any

from ppi.engines.base import Engine, Item, Resources, Result, Setup
from ppi.engines.ray_session import connected
from ppi.errors import SettingsError


class RayEngine(Engine):
    """Runs tasks in Ray actors, each of which sets itself up once for each call.

    Tasks of a worker that is lost are given to another one, and a new worker is requested in its place.

    Raises
    ------
    SettingsError
        If Ray is not installed.
    """

    remote = True

    def __init__(self) -> None:
        if find_spec("ray") is None:
            raise SettingsError("the engine 'ray' needs Ray: pip install 'ppi-affinity[ray]'")
        # Workers with and without a GPU that wait for the next call.
        self._idle: dict[bool, list[Any]] = {False: [], True: []}

    @contextmanager
    def opened(self, resources: Resources) -> Iterator[None]:
        with connected(resources):
            try:
                yield
            finally:
                for idle in self._idle.values():
                    idle.clear()  # Ray ends a worker that nothing refers to.

    def workers(self, resources: Resources) -> int:
        kind = "GPU" if resources.gpu else "CPU"
        there = _count(kind)
        if not there:
            raise SettingsError(f"the Ray cluster has no {kind}; start a node that has one")
        return resources.workers or there

    def gpus(self) -> int:
        return _count("GPU")

    def map(
        self, setup: Setup[Item, Result], items: Iterable[Item], resources: Resources
    ) -> Generator[Result, None, None]:
        from ppi.engines.ray_crew import Crew

        waiting = iter(items)
        first = list(islice(waiting, 1))
        if not first:  # No worker needs to start.
            return
        idle = self._idle[resources.gpu]
        crew = Crew(setup, self.workers(resources), gpu=resources.gpu, idle=idle)
        try:
            yield from crew.results(chain(first, waiting))
            idle.extend(crew.release())
        finally:
            crew.end()


def _count(kind: str) -> int:
    import ray

    return int(ray.cluster_resources().get(kind, 0))
