"""Run the backbone once on each distinct unit, in batches by a token budget, on one or several devices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ppi.backbones.base import Backbone, Unit
from ppi.embedding.elsewhere import Workers, embed_in_processes, embed_with_workers
from ppi.embedding.here import Embedded, embed_here, moved
from ppi.embedding.units import unit_length
from ppi.errors import InputError


def embed_units(
    backbone: Backbone,
    units: Iterable[Unit],
    *,
    token_budget: int | None = None,
    devices: Sequence[str] = ("cpu",),
    workers: Workers | None = None,
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
    workers
        Workers of a remote engine, which embed instead of the devices.

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
    if workers is not None:
        yield from embed_with_workers(backbone, distinct, workers, token_budget)
    elif len(devices) == 1:
        yield from embed_here(moved(backbone, devices[0]), distinct, devices[0], token_budget)
    else:
        yield from embed_in_processes(backbone, distinct, devices, token_budget)
