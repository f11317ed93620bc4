"""Where the store of a backbone is, and the header that says what it holds."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from data_curation.files import atomic_file
from ppi.backbones.base import Backbone
from ppi.errors import StoreError

FORMAT_VERSION = 1
HEADER_FILE = "store.json"
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


def disk_dtype(backbone: Backbone) -> torch.dtype:
    """Return the data type in which the embeddings of a backbone are stored."""
    return _ON_DISK[backbone.dtype]


def store_folder(root: str | os.PathLike[str] | None, backbone: Backbone) -> Path:
    """Return the absolute path of the store of a backbone, which need not exist yet."""
    return (Path(root or default_root()) / header_of(backbone).folder).absolute()


def header_of(backbone: Backbone) -> Header:
    """Return the header of the store of a backbone."""
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


def check_header(folder: Path, header: Header, *, readonly: bool) -> None:
    """Write the header of a new store, or check that of an existing one.

    Raises
    ------
    StoreError
        If the store belongs to another backbone or version.
    """
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
