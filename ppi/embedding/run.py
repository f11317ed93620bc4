"""Get embeddings from the store or, if they are not there, from the backbone."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ppi.backbones.base import Backbone, Unit
from ppi.embedding.elsewhere import Workers
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
    """Embed the units that are not in the store yet, and yield all of them.

    Parameters
    ----------
    backbone
        Backbone, which is moved to the device.
    units
        Units to embed; they may repeat.
    store
        Folder of the stores; by default in the user's cache. If the backbone is not `costly`, nothing is
        stored.
    device
        ``cpu`` or ``cuda:N``.

    Yields
    ------
    UnitEmbeddings
        Embeddings of the units, which are valid inside the block.

    Raises
    ------
    StoreError
        If the store cannot be read or written.
    BackboneError
        If a unit does not fit in the memory of a GPU.
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
    devices: Sequence[str] = ("cpu",),
    token_budget: int | None = None,
    workers: Workers | None = None,
) -> int:
    """Embed the units that a store lacks, batch by batch, so that a killed run loses only the current batch.

    The number of units and the disk space are logged.

    Parameters
    ----------
    store
        Store of this backbone.
    backbone, units, devices, token_budget, workers
        See `ppi.embedding.engine.embed_units`.

    Returns
    -------
    int
        Number of distinct units that were embedded.

    Raises
    ------
    StoreError
        If the embeddings do not fit on the disk.
    BackboneError
        If a unit does not fit in the memory of a GPU.
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
        for batch in embed_units(
            backbone, missing, token_budget=token_budget, devices=devices, workers=workers
        ):
            store.put(batch)
            advance(sum(len(values) for _, values in batch))
    return len(missing)
