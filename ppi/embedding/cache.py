"""A cache of embeddings for long-lived processes: in memory and, if possible, on disk."""

from __future__ import annotations

import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ppi.backbones.base import Backbone, Unit
from ppi.embedding.engine import embed_units
from ppi.embedding.header import disk_dtype
from ppi.embedding.rates import predict_seconds
from ppi.embedding.sources import EmbeddedUnits
from ppi.embedding.store import EmbeddingStore
from ppi.embedding.units import unit_length
from ppi.errors import PpiWarning, StoreError
from ppi.progress import progress_bar

#: Default size of the memory cache in bytes.
MEMORY_BYTES = 2**29


class EmbeddingCache:
    """Returns the embeddings of units, each computed once while it is cached; it is thread-safe.

    A store that cannot be opened or written does not raise an error: it is read if possible, and the user is
    warned once. Values are rounded as in the store, so that a result never depends on the state of the cache.

    Parameters
    ----------
    backbone
        Backbone, on the device where it computes.
    device
        ``cpu`` or ``cuda:N``.
    store
        Folder of the stores; by default in the user's cache. It is not used for a backbone that is not
        `costly`.
    on_disk
        Whether to use a store.
    memory_bytes
        Maximum number of bytes in memory; the most recently used embeddings are kept.
    """

    def __init__(
        self,
        backbone: Backbone,
        device: str,
        *,
        store: str | os.PathLike[str] | None = None,
        on_disk: bool = True,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self.backbone, self.device, self.memory_bytes = backbone, device, memory_bytes
        self._store = _open_store(store, backbone) if on_disk and backbone.costly else None
        self._kept: OrderedDict[Unit, Tensor] = OrderedDict()
        self._bytes = 0
        self._lock = threading.RLock()

    def close(self) -> None:
        """Close the store; embeddings in memory can still be read."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    def disk_bytes(self, residues: int) -> int:
        """Return the bytes that a number of additional residues takes on disk; 0 if nothing is written."""
        if self._store is None or self._store.readonly:
            return 0
        return residues * self.backbone.dim * disk_dtype(self.backbone).itemsize

    def missing(self, units: Iterable[Unit]) -> list[Unit]:
        """Return the distinct units whose embeddings are neither in memory nor in the store."""
        with self._lock:
            absent = [unit for unit in dict.fromkeys(units) if unit not in self._kept]
            if self._store is None or not absent:
                return absent
            try:
                return self._store.missing(absent)
            except StoreError as error:
                self._give_up(error)
                return absent

    def seconds(self, units: Iterable[Unit]) -> float:
        """Return the predicted seconds to embed the units that are missing; see `ppi.embedding.rates`."""
        return predict_seconds(self.backbone, self.missing(units), self.device)

    def units(self, units: Iterable[Unit]) -> EmbeddedUnits:
        """Return the embeddings of units; the result keeps them even if the cache drops them.

        Raises
        ------
        BackboneError
            If a unit does not fit in the memory of a GPU.
        """
        wanted = dict.fromkeys(units)
        with self._lock:  # If two threads need the same unit, the second one finds it in the cache.
            found = {unit: self._kept[unit] for unit in wanted if unit in self._kept}
            for unit in found:
                self._kept.move_to_end(unit)
            missing = [unit for unit in wanted if unit not in found]
            if missing:
                found |= self._read(missing)
                found |= self._compute([unit for unit in missing if unit not in found])
                self._keep({unit: found[unit] for unit in missing})
        return EmbeddedUnits(found)

    def _read(self, units: Sequence[Unit]) -> dict[Unit, Tensor]:
        if self._store is None:
            return {}
        try:
            absent = set(self._store.missing(units))
            present = [unit for unit in units if unit not in absent]
            rows = self._store.rows(present) if present else None
        except StoreError as error:
            self._give_up(error)
            return {}
        if rows is None:
            return {}
        pieces = rows.split([unit_length(unit) for unit in present])
        return {unit: self._rounded(values) for unit, values in zip(present, pieces, strict=True)}

    def _compute(self, units: Sequence[Unit]) -> dict[Unit, Tensor]:
        computed: dict[Unit, Tensor] = {}
        with progress_bar("embedding", sum(map(unit_length, units)), "residues") as advance:
            for batch in embed_units(self.backbone, units, devices=[self.device]):
                computed |= {unit: self._rounded(values) for unit, values in batch}
                self._write(batch)
                advance(sum(len(values) for _, values in batch))
        return computed

    def _rounded(self, values: Tensor) -> Tensor:
        """Return a copy of values, rounded as in the store unless they exceed the range of its type."""
        if not self.backbone.costly:
            return values.clone()
        rounded = values.to(disk_dtype(self.backbone), copy=True)
        return rounded if bool(torch.isfinite(rounded).all()) else values.clone()

    def _write(self, batch: Sequence[tuple[Unit, Tensor]]) -> None:
        if self._store is None or self._store.readonly:
            return
        try:
            self._store.put(batch)
        except StoreError as error:
            self._give_up(error)

    def _give_up(self, error: StoreError) -> None:
        warnings.warn(f"embeddings are kept in memory only: {error}", PpiWarning, stacklevel=2)
        self.close()

    def _keep(self, found: dict[Unit, Tensor]) -> None:
        for unit, values in found.items():
            self._kept[unit] = values
            self._bytes += values.nbytes
        while self._bytes > self.memory_bytes:
            _, forgotten = self._kept.popitem(last=False)
            self._bytes -= forgotten.nbytes


class RandomEmbeddings(EmbeddingCache):
    """Returns random numbers instead of embeddings, to measure what follows the backbone without running it.

    Parameters
    ----------
    like
        Cache of a backbone; it is neither read nor written.
    """

    def __init__(self, like: EmbeddingCache) -> None:
        super().__init__(like.backbone, like.device, on_disk=False, memory_bytes=like.memory_bytes)

    def _compute(self, units: Sequence[Unit]) -> dict[Unit, Tensor]:
        dim = self.backbone.dim
        return {unit: self._rounded(torch.randn(unit_length(unit), dim)) for unit in units}


def _open_store(root: str | os.PathLike[str] | None, backbone: Backbone) -> EmbeddingStore | None:
    try:
        return EmbeddingStore(root, backbone)
    except StoreError as error:
        problem = error
    try:
        store = EmbeddingStore(root, backbone, readonly=True)
    except StoreError:
        kept = "they are kept in memory only"
        store = None
    else:
        kept = "existing ones are used, and new ones are kept in memory only"
    warnings.warn(f"embeddings cannot be written to disk, {kept}: {problem}", PpiWarning, stacklevel=2)
    return store
