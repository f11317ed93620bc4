"""The stores of a folder: list them, and delete one."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ppi.embedding.environments import open_environments, store_errors
from ppi.embedding.header import HEADER_FILE
from ppi.errors import StoreError
from ppi.io.text import format_bytes


@dataclass(frozen=True)
class StoreEntry:
    """A store in a listing: folder name, units, bytes on disk and, if it cannot be read, the reason."""

    name: str
    units: int
    size: int
    problem: str


def list_stores(root: str | os.PathLike[str]) -> list[StoreEntry]:
    """Return the stores in a folder, by name; a store that cannot be read has the reason."""
    found = []
    for path in sorted(Path(root).glob(f"*/{HEADER_FILE}")):
        folder, units, problem = path.parent, 0, ""
        try:
            with store_errors(folder):
                environment = open_environments.acquire(folder, readonly=True)
                units = int(environment.stat()["entries"])
                open_environments.release(folder)
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
    with store_errors(folder):
        (folder / HEADER_FILE).unlink()
        shutil.rmtree(folder)
