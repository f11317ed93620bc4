"""Run a backbone in other processes: of this machine, one for each device, or of a remote engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import torch

from ppi.backbones.base import Backbone, Unit
from ppi.devices import Precision
from ppi.embedding.batching import budget_batches
from ppi.embedding.here import CPU_BUDGET, Embedded, embed_here, moved
from ppi.embedding.units import unit_length
from ppi.engines.base import Engine, Resources
from ppi.engines.build import EngineName, build_engine
from ppi.errors import BackboneError, SettingsError

# Residues that a worker with a GPU receives at a time; it divides them into batches.
_TASK = 65_536


class Workers(NamedTuple):
    """A remote engine, which is open, and its workers."""

    engine: Engine
    resources: Resources


@contextmanager
def open_workers(name: EngineName, device: str, workers: int | None) -> Iterator[Workers | None]:
    """Open the workers of an engine; there are none for ``local``, which uses devices of this machine.

    Parameters
    ----------
    name
        See `ppi.engines.build.build_engine`.
    device
        For a remote engine ``cpu``, ``cuda``, or ``auto``: GPUs if its machines have any.
    workers
        Number of workers; None is one for each processor or GPU.

    Raises
    ------
    SettingsError
        If the engine is not installed, or the device or the number of workers is none that it takes.
    """
    engine = build_engine(name)
    if not engine.remote:
        if workers is not None:
            raise SettingsError(
                f"workers is {workers}, but with the engine {name!r} each device has one process; name "
                "several devices, or use the engine 'ray'"
            )
        yield None
        return
    if device not in ("auto", "cpu", "cuda"):
        raise SettingsError(f"device is {device!r}; with the engine {name!r} choose auto, cpu or cuda")
    with engine.opened(Resources(workers)):
        gpu = device == "cuda" or (device == "auto" and engine.gpus() > 0)
        yield Workers(engine, Resources(workers, gpu))


@dataclass(frozen=True)
class EmbeddingWorker:
    """Makes a backbone in another process, and then embeds lists of units with it.

    Attributes
    ----------
    spec, layers, precision
        See `ppi.backbones.registry.build_backbone`.
    device, token_budget
        See `embed_units`.
    """

    spec: str
    layers: tuple[int, ...]
    precision: Precision
    device: str
    token_budget: int | None

    @classmethod
    def like(cls, backbone: Backbone, device: str, token_budget: int | None) -> EmbeddingWorker:
        """Return a worker for a backbone that is loaded here."""
        precision: Any = str(backbone.dtype).removeprefix("torch.")
        return cls(backbone.spec, tuple(backbone.layers), precision, device, token_budget)

    def __call__(self) -> Callable[[list[Unit]], Any]:
        from ppi.backbones.registry import build_backbone

        if self.device.startswith("cuda"):
            torch.cuda.set_device(self.device)
        backbone = build_backbone(self.spec, layers=self.layers, precision=self.precision)
        return partial(self._embed, moved(backbone, self.device))

    def _embed(self, backbone: Backbone, units: list[Unit]) -> Any:
        batches = embed_here(backbone, units, self.device, self.token_budget)
        pieces = [values for batch in batches for _, values in batch]
        # Bytes are sent, because numpy has no bfloat16, and each shared tensor would need a file descriptor.
        return torch.cat(pieces).view(torch.uint8).numpy()


def embed_with_workers(
    backbone: Backbone, units: Sequence[Unit], workers: Workers, token_budget: int | None
) -> Iterator[Embedded]:
    """Embed units in the order given, by workers that make the backbone from its spec.

    See `ppi.embedding.engine.embed_units`. On processors the batches are those of one process.
    """
    device = "cuda" if workers.resources.gpu else "cpu"
    setup = EmbeddingWorker.like(backbone, device, token_budget)
    tasks = list(_tasks(units, device, token_budget))
    with closing(workers.engine.map(setup, tasks, workers.resources)) as results:
        for task, values in zip(tasks, results, strict=True):
            yield _received(task, values, backbone)


def _tasks(units: Sequence[Unit], device: str, token_budget: int | None) -> Iterator[list[Unit]]:
    """Cut units into what a worker embeds at a time: on a processor one batch, as it would be made here."""
    budget = token_budget or (CPU_BUDGET if device == "cpu" else _TASK)
    lengths = [unit_length(unit) for unit in units]
    yield from ([units[row] for row in rows] for rows in budget_batches(lengths, budget))


def _received(units: Sequence[Unit], values: Any, backbone: Backbone) -> Embedded:
    # A copy, because arrays from another process cannot be written to.
    rows = torch.from_numpy(values.copy()).view(backbone.dtype)
    return list(zip(units, rows.split([unit_length(unit) for unit in units]), strict=True))


#: In a worker process of this machine: the function that embeds.
_function: Callable[[list[Unit]], Any]


def embed_in_processes(
    backbone: Backbone, units: Sequence[Unit], devices: Sequence[str], token_budget: int | None
) -> Iterator[Embedded]:
    """Embed units in the order given, in a process for each device.

    See `ppi.embedding.engine.embed_units`.
    """
    context = torch.multiprocessing.get_context("spawn")
    workers = context.SimpleQueue()
    for device in devices:
        workers.put(EmbeddingWorker.like(backbone, device, token_budget))
    threads = max(1, torch.get_num_threads() // len(devices))
    kind = "cpu" if set(devices) == {"cpu"} else "cuda"
    tasks = _tasks(units, kind, token_budget)
    pool = ProcessPoolExecutor(
        len(devices), mp_context=context, initializer=_start_worker, initargs=(workers, threads)
    )
    with pool:
        # At most two batches per worker are in flight, so that results do not pile up.
        flight = deque(
            (task, pool.submit(_embed_in_worker, task)) for task in islice(tasks, 2 * len(devices))
        )
        while flight:
            task, result = flight.popleft()
            try:
                embedded = _received(task, result.result(), backbone)
            except BrokenProcessPool as error:
                raise BackboneError(
                    f"a process that embeds on one of {', '.join(devices)} ended unexpectedly; it may have "
                    "run out of memory"
                ) from error
            for following in islice(tasks, 1):
                flight.append((following, pool.submit(_embed_in_worker, following)))
            yield embedded


def _start_worker(workers: Any, threads: int) -> None:
    global _function
    torch.set_num_threads(threads)
    _function = workers.get()()


def _embed_in_worker(units: list[Unit]) -> Any:
    return _function(units)
