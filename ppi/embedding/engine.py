"""Each distinct unit through the backbone once: batches by a token budget, on one device or several."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch
from torch import Tensor

from ppi.backbones.base import Backbone, Unit
from ppi.embedding.batching import budget_batches
from ppi.embedding.units import unit_length
from ppi.errors import BackboneError, PpiWarning

Embedded = list[tuple[Unit, Tensor]]

#: Residues in a batch on a CPU: more do not stay in its caches, fewer cost calls.
CPU_BUDGET = 2048
# On a GPU a batch may take half of the free memory, at about so many values of a state for each residue.
_GPU_SHARE, _STATES = 0.5, 24
_GPU_BUDGETS = (4096, 262_144)


def embed_units(
    backbone: Backbone,
    units: Iterable[Unit],
    *,
    token_budget: int | None = None,
    devices: Sequence[str] = ("cpu",),
) -> Iterator[Embedded]:
    """Embed each distinct unit once, longest first, without gradients.

    Parameters
    ----------
    backbone
        Moved to the device; for several devices each gets a process with a copy.
    units
        May repeat.
    token_budget
        Most residues in a batch; by default `CPU_BUDGET`, and what fits the free memory of a GPU. Where
        a GPU runs out of memory, the budget is halved and the work goes on.
    devices
        ``cpu`` or ``cuda:N``, each as often as it should have a process.

    Yields
    ------
    list of (Unit, Tensor)
        What one batch gave: ``(T, D)`` on the CPU, in the backbone's data type.

    Raises
    ------
    BackboneError
        If one unit alone does not fit the memory of a GPU.
    """
    distinct = sorted(set(units), key=lambda unit: (-unit_length(unit), unit))
    budget = token_budget or default_budget(backbone, devices[0])
    if len(devices) == 1:
        yield from _embed_here(backbone.to(devices[0]), distinct, budget)
    else:
        yield from _embed_in_processes(backbone, distinct, budget, devices)


def default_budget(backbone: Backbone, device: str) -> int:
    """Return how many residues a batch on this device should have."""
    if not device.startswith("cuda"):
        return CPU_BUDGET
    free, _ = torch.cuda.mem_get_info(device)
    least, most = _GPU_BUDGETS
    return max(least, min(most, int(free * _GPU_SHARE / (_STATES * backbone.dim * 4))))


def _embed_here(backbone: Backbone, units: Sequence[Unit], budget: int) -> Iterator[Embedded]:
    pending: tuple[list[Unit], Callable[[], Tensor]] | None = None
    done = 0
    while done < len(units):
        batch = _next_batch(units, done, budget)
        try:
            with torch.inference_mode():
                arriving = _to_host(backbone.embed(batch))
        except torch.OutOfMemoryError as error:
            budget = _halved(batch, error)
            continue
        if pending is not None:
            yield _split(*pending)
        pending = batch, arriving
        done += len(batch)
    if pending is not None:
        yield _split(*pending)


def _next_batch(units: Sequence[Unit], start: int, budget: int) -> list[Unit]:
    end, filled = start, 0
    while end < len(units) and (end == start or filled + unit_length(units[end]) <= budget):
        filled += unit_length(units[end])
        end += 1
    return list(units[start:end])


def _halved(batch: Sequence[Unit], error: Exception) -> int:
    residues = sum(map(unit_length, batch))
    if len(batch) == 1:
        raise BackboneError(
            f"a unit of {residues} residues alone does not fit the memory of the GPU"
        ) from error
    torch.cuda.empty_cache()
    warnings.warn(
        f"out of memory with {residues} residues in a batch; going on with {residues // 2}",
        PpiWarning,
        stacklevel=3,
    )
    return residues // 2


def _to_host(values: Tensor) -> Callable[[], Tensor]:
    """Start to copy values to the CPU, so that a GPU can go on; return how to wait for them."""
    if not values.is_cuda:
        return lambda: values
    host = torch.empty_like(values, device="cpu", pin_memory=True)
    host.copy_(values, non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record()

    def wait() -> Tensor:
        arrived.synchronize()
        return host

    return wait


def _split(batch: Sequence[Unit], arriving: Callable[[], Tensor]) -> Embedded:
    pieces = arriving().split([unit_length(unit) for unit in batch])
    return list(zip(batch, pieces, strict=True))


# The backbone of a worker process.
_backbone: Backbone


def _embed_in_processes(
    backbone: Backbone, units: Sequence[Unit], budget: int, devices: Sequence[str]
) -> Iterator[Embedded]:
    context = torch.multiprocessing.get_context("spawn")
    places = context.SimpleQueue()
    for device in devices:
        places.put(device)
    threads = max(1, torch.get_num_threads() // len(devices))
    batches = [[units[i] for i in rows] for rows in budget_batches([unit_length(u) for u in units], budget)]
    with ProcessPoolExecutor(
        len(devices), mp_context=context, initializer=_start_worker, initargs=(backbone, places, threads)
    ) as pool:
        for batch, raw in zip(batches, pool.map(_embed_in_worker, batches), strict=True):
            values = torch.from_numpy(raw).view(backbone.dtype)
            yield _split(batch, lambda values=values: values)  # type: ignore[misc]


def _start_worker(backbone: Backbone, places: Any, threads: int) -> None:
    global _backbone
    torch.set_num_threads(threads)
    _backbone = backbone.to(places.get())


def _embed_in_worker(batch: list[Unit]) -> Any:
    pieces = [
        values for part in _embed_here(_backbone, batch, sum(map(unit_length, batch))) for _, values in part
    ]
    # numpy has no bfloat16, and bytes need no file descriptor for each tensor.
    return torch.cat(pieces).view(torch.uint8).numpy()
