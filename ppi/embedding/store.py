"""A content-addressed store of embeddings on disk: one LMDB environment for each backbone.

In LMDB, committed data survive a killed process or a crash, many processes can read while one writes, and
pages of the file are read without a copy. An entry consists of a checksum and the values; its key is the
SHA-256 of the unit.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import lmdb
import numpy as np
import torch
import xxhash
from torch import Tensor

from data_curation.files import atomic_file
from ppi.backbones.base import Backbone, Unit
from ppi.complexes import CHAIN_SEPARATOR
from ppi.embedding.sources import UnitEmbeddings
from ppi.embedding.units import unit_length
from ppi.errors import PpiWarning, StoreError
from ppi.io.text import format_bytes

FORMAT_VERSION = 1
HEADER_FILE = "store.json"
_CHECKSUM_BYTES = 8
# Sizes of the address range, not of the file, which is as large as its content. The first size that the
# system grants is used, because schedulers of clusters may limit it.
_MAP_SIZES = (2**40, 2**36, 2**33, 2**30, 2**28)
_ON_DISK = {torch.bfloat16: torch.bfloat16, torch.float32: torch.float16}


@dataclass(frozen=True)
class Header:
    """The header of a store, which has the embeddings of one backbone in one data type."""

    format_version: int
    identity: str
    dim: int
    dtype: str

    @property
    def folder(self) -> str:
        """Readable and unique name of its folder."""
        digest = hashlib.sha256(repr(self).encode()).hexdigest()[:12]
        return f"{re.sub(r'[^A-Za-z0-9.]+', '-', self.identity)[:60].strip('-')}-{digest}"


@dataclass(frozen=True)
class StoreEntry:
    """A store in a listing: folder name, units, bytes on disk and, if it cannot be read, the reason."""

    name: str
    units: int
    size: int
    problem: str


def disk_dtype(backbone: Backbone) -> torch.dtype:
    """Return the data type in which the embeddings of a backbone are stored."""
    return _ON_DISK[backbone.dtype]


def store_folder(root: str | os.PathLike[str] | None, backbone: Backbone) -> Path:
    """Return the absolute path of the store of a backbone, which need not exist yet."""
    return (Path(root or default_root()) / _header(backbone).folder).absolute()


def _header(backbone: Backbone) -> Header:
    dtype = str(disk_dtype(backbone)).removeprefix("torch.")
    return Header(FORMAT_VERSION, backbone.identity, backbone.dim, dtype)


def default_root() -> Path:
    """Return the folder of all stores: inside ``PPI_CACHE`` if it is set, else in the user's cache.

    Raises
    ------
    StoreError
        If the user has no home directory.
    """
    if named := os.environ.get("PPI_CACHE"):
        return Path(named) / "embeddings"
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError as error:
        raise StoreError(f"{error}; name a folder with --store, or PPI_CACHE in the environment") from error
    return cache / "ppi" / "embeddings"


class _OpenEnvironments:
    """The environments that are open in this process, because LMDB must not open a file twice.

    Each is closed when the last store that uses it is closed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: dict[Path, int] = {}
        self._environments: dict[Path, lmdb.Environment] = {}

    def acquire(self, folder: Path, *, readonly: bool) -> lmdb.Environment:
        key = folder.resolve()
        with self._lock:
            if key not in self._environments:
                self._environments[key] = _open(folder, readonly=readonly)
            elif not readonly and self._environments[key].flags()["readonly"]:
                raise StoreError(f"{folder}: this process has already opened it read-only")
            self._users[key] = self._users.get(key, 0) + 1
            return self._environments[key]

    def release(self, folder: Path) -> None:
        key = folder.resolve()
        with self._lock:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]
                self._environments.pop(key).close()


_open_environments = _OpenEnvironments()


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
        self.header = _header(backbone)
        self.folder = store_folder(root, backbone)
        self._dtype: torch.dtype = getattr(torch, self.header.dtype)
        self._row_bytes = self.header.dim * self._dtype.itemsize
        self.readonly = readonly
        with _store_errors(self.folder, "; --store, or PPI_CACHE in the environment, names another folder"):
            if not readonly:
                self.folder.mkdir(parents=True, exist_ok=True)
            _check_header(self.folder, self.header, readonly=readonly)
            self._environment = _open_environments.acquire(self.folder, readonly=readonly)
        self._closed = False

    def __enter__(self) -> EmbeddingStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store; it cannot be read afterwards."""
        if not self._closed:
            self._closed = True
            _open_environments.release(self.folder)

    def __len__(self) -> int:
        return int(self._environment.stat()["entries"])

    def size_of(self, units: Iterable[Unit]) -> int:
        """Return the bytes that units take on disk."""
        return sum(unit_length(unit) * self._row_bytes + _CHECKSUM_BYTES for unit in units)

    def missing(self, units: Iterable[Unit]) -> list[Unit]:
        """Return the distinct units that are not in the store, or whose entry is damaged (with a warning)."""
        absent, damaged = [], 0
        with _store_errors(self.folder), self._environment.begin(buffers=True) as transaction:
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
        with _store_errors(self.folder, stays), self._environment.begin(write=True) as transaction:
            for unit, values in embedded:
                transaction.put(_key(unit), self._packed(values))

    def rows(self, units: Sequence[Unit]) -> Tensor:
        raw = np.empty((sum(map(unit_length, units)), self._row_bytes), dtype=np.uint8)
        start = 0
        with _store_errors(self.folder), self._environment.begin(buffers=True) as transaction:
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


def list_stores(root: str | os.PathLike[str]) -> list[StoreEntry]:
    """Return the stores in a folder, by name; a store that cannot be read has the reason."""
    found = []
    for path in sorted(Path(root).glob(f"*/{HEADER_FILE}")):
        folder, units, problem = path.parent, 0, ""
        try:
            with _store_errors(folder):
                environment = _open_environments.acquire(folder, readonly=True)
                units = int(environment.stat()["entries"])
                _open_environments.release(folder)
        except StoreError as error:
            problem = str(error)
        size = sum(file.stat().st_size for file in folder.iterdir())
        found.append(StoreEntry(folder.name, units, size, problem))
    return found


def format_stores(root: str | os.PathLike[str]) -> str:
    """Return the stores in a folder as lines of text, with their total size."""
    entries = list_stores(root)
    lines = [
        f"{format_bytes(entry.size):>10} {entry.units:9,} units  {entry.name}"
        + (f"  (cannot be read: {entry.problem})" if entry.problem else "")
        for entry in entries
    ]
    total = sum(entry.size for entry in entries)
    return "\n".join([*lines, f"{format_bytes(total):>10} in {len(entries)} store(s) in {root}"])


def prune_store(root: str | os.PathLike[str], name: str) -> None:
    """Delete a store in a folder.

    Raises
    ------
    StoreError
        If there is no store of this name.
    """
    folder = Path(root) / name
    if folder.parent != Path(root) or not (folder / HEADER_FILE).is_file():
        names = ", ".join(entry.name for entry in list_stores(root)) or "none"
        raise StoreError(f"{root}: no store {name!r}; there are {names}")
    with _store_errors(folder):
        (folder / HEADER_FILE).unlink()
        shutil.rmtree(folder)


def _open(folder: Path, *, readonly: bool = False) -> lmdb.Environment:
    for map_size in _MAP_SIZES:
        try:
            environment = lmdb.open(
                str(folder),
                map_size=map_size,
                readahead=False,
                readonly=readonly,
                # A lock file cannot be made in a write-protected folder.
                lock=not readonly or os.access(folder, os.W_OK),
            )
            break
        except lmdb.MemoryError:
            if map_size == _MAP_SIZES[-1]:
                raise
    # Reading a page beyond the end of the file would crash the process.
    needed = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if (folder / "data.mdb").stat().st_size < needed:
        environment.close()
        raise StoreError(
            f"{folder}: the file data.mdb is truncated; `ppi embed --prune {folder.name}` deletes the "
            "store, and its embeddings are computed again when they are needed"
        )
    return environment


def _check_header(folder: Path, header: Header, *, readonly: bool) -> None:
    path = folder / HEADER_FILE
    if not readonly and not path.exists():
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(asdict(header), indent=2) + "\n")
        return
    found = json.loads(path.read_text())
    if found != asdict(header):
        raise StoreError(
            f"{folder}: the store belongs to {found}, not to {asdict(header)}; prune it or choose another"
        )


def _text(unit: Unit) -> str:
    return CHAIN_SEPARATOR.join(unit)


def _key(unit: Unit) -> bytes:
    return hashlib.sha256(_text(unit).encode("ascii")).digest()


@contextmanager
def _store_errors(folder: Path, after: str = "") -> Iterator[None]:
    """Convert errors of LMDB or the system to an error that names the store, with an optional addition."""
    try:
        yield
    except lmdb.MapFullError as error:
        raise StoreError(f"{folder}: the store is full{after}") from error
    except (lmdb.Error, OSError, ValueError, TypeError) as error:
        reason = str(error).removeprefix(f"{folder}: ")
        raise StoreError(f"{folder}: {reason}{after}") from error
