"""The workers of one call of the Ray engine, and the tasks that each of them has."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from data_curation.processors import LIMIT
from ppi.engines.base import Setup
from ppi.errors import PpiError
from ppi.progress import LINE_SECONDS

_LOG = logging.getLogger(__name__)
#: Tasks that a worker has at a time: the second waits at the worker while the first runs.
_EACH = 2
#: Tasks for each worker that are taken before the result of the first one is wanted.
_AHEAD = 2 * _EACH
#: Workers that may be lost with the same task, or one after another while they start.
_LOSSES = 3


class _Actor:
    """What runs in a process of Ray."""

    def __init__(self) -> None:
        self._function: Callable[[Any], Any] | None = None

    def start(self, setup: list[ray.ObjectRef]) -> None:
        self._function = None  # What was loaded for an earlier call makes room.
        os.environ[LIMIT] = "1"  # One processor is reserved for it, of those that it sees.
        # Here, not when the actor is made: an error of this function arrives as it is.
        self._function = ray.get(setup[0])()

    def run(self, item: Any) -> Any:
        assert self._function is not None, "the worker has not started"
        return self._function(item)


@dataclass(eq=False)
class _Task:
    """An item on its way to a result."""

    item: Any
    losses: int = 0
    done: bool = False
    result: Any = None


class Crew:
    """Actors that share the items of one call.

    Parameters
    ----------
    setup
        See `ppi.engines.base.Engine.map`. It goes to each machine once; arrays in it are shared there.
    workers
        Number of actors. Those for which the cluster has no room start when it has.
    gpu
        Whether each actor needs a GPU.
    idle
        Actors of an earlier call, which `release` has returned; they are taken from the list.
    """

    def __init__(self, setup: Setup[Any, Any], workers: int, *, gpu: bool, idle: list[Any]) -> None:
        self._setup = [ray.put(setup)]
        self._make = ray.remote(_Actor).options(num_cpus=1, num_gpus=int(gpu))
        self._most = _AHEAD * workers
        self._actors = set[Any]()
        self._starting = dict[ray.ObjectRef, Any]()
        self._running = dict[ray.ObjectRef, tuple[Any, _Task]]()
        # An actor is listed once for each task that it can take.
        self._free = deque[Any]()
        self._failed_starts = 0
        for _ in range(workers):
            self._start(idle.pop() if idle else None)

    def results(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield the results in the order of the items.

        Raises
        ------
        PpiError
            If too many workers are lost with the same task, or while they start.
        """
        waiting, order, again, left = iter(items), deque[_Task](), deque[_Task](), True
        while left or order:
            while self._free and (again or (left and len(order) < self._most)):
                if again:
                    self._give(again.popleft())
                    continue
                for item in waiting:
                    order.append(_Task(item))
                    self._give(order[-1])
                    break
                else:
                    left = False
            if order and order[0].done:
                yield order.popleft().result
            elif left or order:
                again.extend(self._wait())

    def release(self) -> list[Any]:
        """Return the actors that have started, and have nothing to do once all results are there."""
        started = self._actors.difference(self._starting.values())
        self._actors -= started
        return list(started)

    def end(self) -> None:
        """End all actors, with what they are doing."""
        for actor in self._actors:
            ray.kill(actor)

    def _start(self, actor: Any = None) -> None:
        if actor is None:
            actor = self._make.remote()
        self._actors.add(actor)
        self._starting[actor.start.remote(self._setup)] = actor

    def _give(self, task: _Task) -> None:
        actor = self._free.popleft()
        self._running[actor.run.remote(task.item)] = actor, task

    def _wait(self) -> list[_Task]:
        """Wait until something happens; return the tasks that are to be given to another worker."""
        ready, _ = ray.wait([*self._running, *self._starting], timeout=LINE_SECONDS)
        if not ready and not self._running:
            _LOG.info("Ray: waiting for room for a worker; %d have not started", len(self._starting))
        lost = []
        for reference in ready:
            if reference in self._starting:
                self._started(reference, self._starting.pop(reference))
            elif not self._finished(reference, *self._running[reference]):
                lost.append(self._running[reference][1])
            self._running.pop(reference, None)
        return lost

    def _started(self, reference: ray.ObjectRef, actor: Any) -> None:
        try:
            _get(reference)
        except RayError as error:
            self._failed_starts += 1
            if self._failed_starts == _LOSSES:
                raise PpiError(f"{_LOSSES} workers ended while they started. {_advice(error)}") from error
            self._replace(actor)
        else:
            self._failed_starts = 0
            self._free.extend([actor] * _EACH)

    def _finished(self, reference: ray.ObjectRef, actor: Any, task: _Task) -> bool:
        """Keep the result of a task; return False if it was lost."""
        try:
            task.result = _get(reference)
        except RayError as error:
            task.losses += 1
            if task.losses == _LOSSES:
                text = f"{_LOSSES} workers ended while they had the same task. {_advice(error)}"
                raise PpiError(text) from error
            self._replace(actor)
            return False
        task.item, task.done = None, True
        self._free.append(actor)
        return True

    def _replace(self, actor: Any) -> None:
        if actor not in self._actors:  # It had another task, too, and is replaced already.
            return
        _LOG.warning("Ray: a worker was lost; others do its tasks again, and a new one is requested")
        self._actors.remove(actor)
        self._free = deque(other for other in self._free if other != actor)
        ray.kill(actor)
        self._start()


def _get(reference: ray.ObjectRef) -> Any:
    """Return a result, or raise the error of the function as it was raised in the worker."""
    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else PpiError(str(error)) from None


def _advice(error: RayError) -> str:
    """Return what a user can do, and the first line of the message of Ray."""
    first = next(iter(str(error).splitlines()), "")
    return f"They may have run out of memory; start fewer on each machine, with --workers. Ray: {first}"
