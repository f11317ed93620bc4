"""Run the backbone once on each distinct unit, in batches by a token budget, on one or several devices."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from ppi.backbones.base import Backbone, Unit
from ppi.embedding.batching import budget_batches
from ppi.embedding.units import unit_length
from ppi.errors import BackboneError, InputError, PpiWarning

Embedded = list[tuple[Unit, Tensor]]

#: Residues in a batch on a CPU: more exceed its caches, fewer add overhead.
CPU_BUDGET = 2048
# On a GPU a batch may use half of the free memory; each residue takes about this many hidden states.
_GPU_SHARE, _STATES = 0.5, 24
_GPU_BUDGETS = (4096, 262_144)
# Residues that a worker process receives at a time; it divides them into batches.
_TASK = 65_536


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
        Backbone, which is moved to the device; for several devices each process makes it from its spec.
    units
        Units to embed; they may repeat.
    token_budget
        Maximum number of residues in a batch; by default `CPU_BUDGET`, or what fits in the free memory of a
        GPU. If a GPU runs out of memory, the budget is halved and the work continues.
    devices
        ``cpu`` or ``cuda:N``; a repeated device gets one process for each occurrence.

    Yields
    ------
    list of (Unit, Tensor)
        Units of one batch with their ``(T, D)`` embeddings on the CPU, in the backbone's data type.

    Raises
    ------
    BackboneError
        If the backbone, or one unit alone, does not fit in the memory of a GPU.
    InputError
        If the token budget is not above zero.
    """
    if token_budget is not None and token_budget < 1:
        raise InputError(f"the token budget is {token_budget}; give 1 residue or more")
    distinct = sorted(set(units), key=lambda unit: (-unit_length(unit), unit))
    if len(devices) == 1:
        yield from _embed_here(_moved(backbone, devices[0]), distinct, devices[0], token_budget)
    else:
        yield from _embed_in_processes(backbone, distinct, devices, token_budget)


def default_budget(backbone: Backbone, device: str) -> int:
    """Return the default number of residues in a batch on the device of the backbone."""
    if not device.startswith("cuda"):
        return CPU_BUDGET
    free, _ = torch.cuda.mem_get_info(device)
    least, most = _GPU_BUDGETS
    return max(least, min(most, int(free * _GPU_SHARE / (_STATES * backbone.dim * 4))))


def _moved(backbone: Backbone, device: str) -> Backbone:
    try:
        return backbone.to(device)
    except torch.OutOfMemoryError as error:
        raise BackboneError(f"{backbone.spec} does not fit in the memory of {device}") from error


def _embed_here(
    backbone: Backbone, units: Sequence[Unit], device: str, token_budget: int | None
) -> Iterator[Embedded]:
    budget = token_budget or default_budget(backbone, device)
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
            f"a unit of {residues} residues alone does not fit in the memory of the GPU"
        ) from error
    torch.cuda.empty_cache()
    warnings.warn(
        f"out of memory with {residues} residues in a batch; continuing with {residues // 2}",
        PpiWarning,
        stacklevel=3,
    )
    return residues // 2


def _to_host(values: Tensor) -> Callable[[], Tensor]:
    """Start an asynchronous copy of values to the CPU; return a function that waits for it."""
    if not values.is_cuda:
        return lambda: values
    host = torch.empty_like(values, device="cpu", pin_memory=True)
    host.copy_(values, non_blocking=True)
    arrived = torch.cuda.Event()
    arrived.record(torch.cuda.current_stream(values.device))

    def wait() -> Tensor:
        arrived.synchronize()
        return host.clone()  # Page-locked memory is scarce, so it is released.

    return wait


def _split(batch: Sequence[Unit], arriving: Callable[[], Tensor]) -> Embedded:
    pieces = arriving().split([unit_length(unit) for unit in batch])
    return list(zip(batch, pieces, strict=True))


# State of a worker process: its backbone, the device, and the budget of its batches.
_backbone: Backbone
_device: str
_budget: int | None


def _embed_in_processes(
    backbone: Backbone, units: Sequence[Unit], devices: Sequence[str], token_budget: int | None
) -> Iterator[Embedded]:
    context = torch.multiprocessing.get_context("spawn")
    places = context.SimpleQueue()
    for device in devices:
        places.put(device)
    threads = max(1, torch.get_num_threads() // len(devices))
    recipe = (backbone.spec, backbone.layers, str(backbone.dtype).removeprefix("torch."))
    lengths = [unit_length(unit) for unit in units]
    batches = ([units[row] for row in rows] for rows in budget_batches(lengths, token_budget or _TASK))
    pool = ProcessPoolExecutor(
        len(devices),
        mp_context=context,
        initializer=_start_worker,
        initargs=(recipe, places, threads, token_budget),
    )
    with pool:
        # At most two batches per worker are in flight, so that results do not pile up.
        flight = deque(
            (batch, pool.submit(_embed_in_worker, batch)) for batch in islice(batches, 2 * len(devices))
        )
        while flight:
            batch, result = flight.popleft()
            try:
                values = torch.from_numpy(result.result()).view(backbone.dtype)
            except BrokenProcessPool as error:
                raise BackboneError(
                    f"a process that embeds on one of {', '.join(devices)} ended unexpectedly; it may have "
                    "run out of memory"
                ) from error
            for following in islice(batches, 1):
                flight.append((following, pool.submit(_embed_in_worker, following)))
            yield list(zip(batch, values.split([unit_length(unit) for unit in batch]), strict=True))


def _start_worker(recipe: tuple[str, Any, Any], places: Any, threads: int, token_budget: int | None) -> None:
    from ppi.backbones.registry import build_backbone

    global _backbone, _device, _budget
    torch.set_num_threads(threads)
    _device, _budget = places.get(), token_budget
    if _device.startswith("cuda"):
        torch.cuda.set_device(_device)
    spec, layers, precision = recipe
    _backbone = _moved(build_backbone(spec, layers=layers, precision=precision), _device)


def _embed_in_worker(units: list[Unit]) -> Any:
    pieces = []
    for batch in _embed_here(_backbone, units, _device, _budget):
        pieces += [values for _, values in batch]
    # Bytes are sent, because numpy has no bfloat16, and each shared tensor would need a file descriptor.
    return torch.cat(pieces).view(torch.uint8).numpy()
