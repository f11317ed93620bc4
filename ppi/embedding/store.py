"""A content-addressed store of embeddings on disk: one LMDB environment for each backbone.

In LMDB, committed data survive a killed process or a crash, many processes can read while one writes, and
pages of the file are read without a copy. An entry consists of a checksum and the values; its key is the
SHA-256 of the unit.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import torch
import xxhash
from torch import Tensor

from ppi.backbones.base import Backbone, Unit
from ppi.complexes import CHAIN_SEPARATOR
from ppi.embedding.environments import open_environments, store_errors
from ppi.embedding.header import check_header, header_of, store_folder
from ppi.embedding.sources import UnitEmbeddings
from ppi.embedding.units import unit_length
from ppi.errors import PpiWarning, StoreError
from ppi.io.text import format_bytes

_CHECKSUM_BYTES = 8


class EmbeddingStore(UnitEmbeddings):
    """The store of one backbone: a thread-safe context manager.

    Embeddings computed in bfloat16 are stored in bfloat16, those computed in float32 in float16.

    Parameters
    ----------
    root
        Folder of all stores; by default `default_root`.
    backbone
        Backbone of the embeddings.
    readonly
        Only read existing embeddings, from a folder that may be write-protected.

    Raises
    ------
    StoreError
        If the folder belongs to another backbone or version, or cannot be opened.
    """

    def __init__(
        self, root: str | os.PathLike[str] | None, backbone: Backbone, *, readonly: bool = False
    ) -> None:
        self.header = header_of(backbone)
        self.folder = store_folder(root, backbone)
        self._dtype: torch.dtype = getattr(torch, self.header.dtype)
        self._row_bytes = self.header.dim * self._dtype.itemsize
        self.readonly = readonly
        with store_errors(self.folder, "; --store, or PPI_CACHE in the environment, names another folder"):
            if not readonly:
                self.folder.mkdir(parents=True, exist_ok=True)
            check_header(self.folder, self.header, readonly=readonly)
            self._environment = open_environments.acquire(self.folder, readonly=readonly)
        self._closed = False

    def __enter__(self) -> EmbeddingStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store; it cannot be read afterwards."""
        if not self._closed:
            self._closed = True
            open_environments.release(self.folder)

    def __len__(self) -> int:
        return int(self._environment.stat()["entries"])

    def size_of(self, units: Iterable[Unit]) -> int:
        """Return the bytes that units take on disk."""
        return sum(unit_length(unit) * self._row_bytes + _CHECKSUM_BYTES for unit in units)

    def missing(self, units: Iterable[Unit]) -> list[Unit]:
        """Return the distinct units that are not in the store, or whose entry is damaged (with a warning)."""
        absent, damaged = [], 0
        with store_errors(self.folder), self._environment.begin(buffers=True) as transaction:
            for unit in dict.fromkeys(units):
                value = transaction.get(_key(unit))
                if value is None or not self._is_intact(value, unit):
                    damaged += value is not None
                    absent.append(unit)
        if damaged:
            warnings.warn(
                f"{self.folder}: {damaged} damaged embedding(s), which are computed again",
                PpiWarning,
                stacklevel=2,
            )
        return absent

    def check_room(self, units: Iterable[Unit]) -> None:
        """Raise if units do not fit on the disk.

        Raises
        ------
        StoreError
            If the disk has too little space; the message gives the required and the free space.
        """
        needed, free = self.size_of(units), shutil.disk_usage(self.folder).free
        if needed > free:
            raise StoreError(
                f"{self.folder}: {format_bytes(needed)} are needed, {format_bytes(free)} are free; free some "
                "room, or name another folder with --store"
            )

    def put(self, embedded: Iterable[tuple[Unit, Tensor]]) -> None:
        """Write units in one transaction: after a kill either all of them are in the store or none.

        Raises
        ------
        StoreError
            If the disk is full, or a value does not fit the data type on disk.
        """
        stays = "; finished embeddings remain in the store"
        with store_errors(self.folder, stays), self._environment.begin(write=True) as transaction:
            for unit, values in embedded:
                transaction.put(_key(unit), self._packed(values))

    def rows(self, units: Sequence[Unit]) -> Tensor:
        raw = np.empty((sum(map(unit_length, units)), self._row_bytes), dtype=np.uint8)
        start = 0
        with store_errors(self.folder), self._environment.begin(buffers=True) as transaction:
            for unit in units:
                value = transaction.get(_key(unit))
                if value is None or not self._is_intact(value, unit):
                    state = "is not in the store" if value is None else "is damaged"
                    raise StoreError(f"{self.folder}: the embedding of {_text(unit)[:30]}... {state}")
                end = start + unit_length(unit)
                raw[start:end] = np.frombuffer(value, np.uint8, offset=_CHECKSUM_BYTES).reshape(
                    end - start, -1
                )
                start = end
        return torch.from_numpy(raw).view(self._dtype).float()

    def _packed(self, values: Tensor) -> bytes:
        stored = values.to(self._dtype)
        if not bool(torch.isfinite(stored).all()):
            raise StoreError(
                f"{self.header.identity}: an embedding has values that {self.header.dtype} cannot hold; "
                "--precision bfloat16 can"
            )
        content = stored.contiguous().view(torch.uint8).numpy().tobytes()
        return xxhash.xxh3_64_digest(content) + content

    def _is_intact(self, value: memoryview, unit: Unit) -> bool:
        content = value[_CHECKSUM_BYTES:]
        return (
            len(content) == unit_length(unit) * self._row_bytes
            and xxhash.xxh3_64_digest(content) == value[:_CHECKSUM_BYTES]
        )


def _text(unit: Unit) -> str:
    return CHAIN_SEPARATOR.join(unit)


def _key(unit: Unit) -> bytes:
    return hashlib.sha256(_text(unit).encode("ascii")).digest()
