"""The LMDB environments that are open in this process, and what can go wrong with them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from ppi.errors import StoreError

# Sizes of the address range, not of the file, which is as large as its content. The first size that the
# system grants is used, because schedulers of clusters may limit it.
_MAP_SIZES = (2**40, 2**36, 2**33, 2**30, 2**28)


class _OpenEnvironments:
    """The environments that are open in this process, because LMDB must not open a file twice.

    Each is closed when the last store that uses it is closed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: dict[Path, int] = {}
        self._environments: dict[Path, lmdb.Environment] = {}

    def acquire(self, folder: Path, *, readonly: bool) -> lmdb.Environment:
        """Return the environment of a folder, which is opened if it is not open yet."""
        key = folder.resolve()
        with self._lock:
            if key not in self._environments:
                self._environments[key] = _open(folder, readonly=readonly)
            elif not readonly and self._environments[key].flags()["readonly"]:
                raise StoreError(f"{folder}: this process has already opened it read-only")
            self._users[key] = self._users.get(key, 0) + 1
            return self._environments[key]

    def release(self, folder: Path) -> None:
        """Close the environment of a folder, unless another store still uses it."""
        key = folder.resolve()
        with self._lock:
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]
                self._environments.pop(key).close()


open_environments = _OpenEnvironments()


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


@contextmanager
def store_errors(folder: Path, after: str = "") -> Iterator[None]:
    """Convert errors of LMDB or the system to an error that names the store, with an optional addition."""
    try:
        yield
    except lmdb.MapFullError as error:
        raise StoreError(f"{folder}: the store is full{after}") from error
    except (lmdb.Error, OSError, ValueError, TypeError) as error:
        reason = str(error).removeprefix(f"{folder}: ")
        raise StoreError(f"{folder}: {reason}{after}") from error
