"""Embeddings for a work: from the store where they are kept, else from the backbone."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ppi.backbones.base import Backbone, Unit
from ppi.embedding.engine import embed_units
from ppi.embedding.sources import EmbeddedUnits, UnitEmbeddings
from ppi.embedding.store import EmbeddingStore
from ppi.embedding.units import unit_length
from ppi.io.text import format_bytes
from ppi.progress import progress_bar

_LOG = logging.getLogger(__name__)


@contextmanager
def open_embeddings(
    backbone: Backbone,
    units: Sequence[Unit],
    *,
    store: str | os.PathLike[str] | None,
    device: str,
) -> Iterator[UnitEmbeddings]:
    """Embed the units that are not in the store yet, and give all of them.

    Parameters
    ----------
    backbone
        Moved to the device.
    units
        May repeat.
    store
        Folder of stores; by default in the user's cache. What costs nothing is kept in memory only.
    device
        ``cpu`` or ``cuda:N``.

    Yields
    ------
    UnitEmbeddings
        Of the units, while the block lasts.

    Raises
    ------
    StoreError
        If the store cannot be read or written.
    BackboneError
        If a unit does not fit the memory of a GPU.
    """
    if not backbone.costly:
        yield EmbeddedUnits.collect(embed_units(backbone, units, devices=[device]))
    else:
        with EmbeddingStore(store, backbone) as kept:
            fill_store(kept, backbone, units, devices=[device])
            yield kept


def fill_store(
    store: EmbeddingStore,
    backbone: Backbone,
    units: Sequence[Unit],
    *,
    devices: Sequence[str],
    token_budget: int | None = None,
) -> int:
    """Embed what a store lacks, batch by batch: a killed run loses the batch in flight.

    Logs what is to be done, and how much room it takes.

    Parameters
    ----------
    store
        Of this backbone.
    backbone, units, devices, token_budget
        See `ppi.embedding.engine.embed_units`.

    Returns
    -------
    int
        How many distinct units were embedded.

    Raises
    ------
    StoreError
        If they do not fit the disk.
    BackboneError
        If a unit does not fit the memory of a GPU.
    """
    missing = store.missing(units)
    if not missing:
        return 0
    store.check_room(missing)
    residues = sum(map(unit_length, missing))
    _LOG.info(
        "embedding %s of %s units (%s residues) with %s: %s in %s",
        f"{len(missing):,}",
        f"{len(set(units)):,}",
        f"{residues:,}",
        backbone.spec,
        format_bytes(store.size_of(missing)),
        store.folder,
    )
    with progress_bar("embedding", residues, "residues") as advance:
        for batch in embed_units(backbone, missing, token_budget=token_budget, devices=devices):
            store.put(batch)
            advance(sum(len(values) for _, values in batch))
    return len(missing)
