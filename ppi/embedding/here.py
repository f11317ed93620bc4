"""Run a backbone in this process, in batches by a token budget."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from ppi.backbones.base import Backbone, Unit
from ppi.embedding.units import unit_length
from ppi.errors import BackboneError, PpiWarning

#: Units of one batch with their ``(T, D)`` embeddings.
Embedded: TypeAlias = list[tuple[Unit, Tensor]]

#: Residues in a batch on a CPU: more exceed its caches, fewer add overhead.
CPU_BUDGET = 2048
# On a GPU a batch may use half of the free memory; each residue takes about this many hidden states.
_GPU_SHARE, _STATES = 0.5, 24
_GPU_BUDGETS = (4096, 262_144)


def default_budget(backbone: Backbone, device: str) -> int:
    """Return the default number of residues in a batch on the device of the backbone."""
    if not device.startswith("cuda"):
        return CPU_BUDGET
    free, _ = torch.cuda.mem_get_info(device)
    least, most = _GPU_BUDGETS
    return max(least, min(most, int(free * _GPU_SHARE / (_STATES * backbone.dim * 4))))


def moved(backbone: Backbone, device: str) -> Backbone:
    """Move a backbone to a device.

    Raises
    ------
    BackboneError
        If it does not fit in the memory of the device.
    """
    try:
        return backbone.to(device)
    except torch.OutOfMemoryError as error:
        raise BackboneError(f"{backbone.spec} does not fit in the memory of {device}") from error


def embed_here(
    backbone: Backbone, units: Sequence[Unit], device: str, token_budget: int | None
) -> Iterator[Embedded]:
    """Embed units in the order given; see `ppi.embedding.engine.embed_units`."""
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
