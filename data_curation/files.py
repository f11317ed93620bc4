"""Files that are either whole or absent: written beside their place, then renamed into it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_curation.errors import OutputError


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Raise now, before any heavy work, if `path` cannot be created or replaced.

    Raises
    ------
    OutputError
        If a parent is a file, or the nearest existing parent folder is not writable.
    """
    target = Path(path).absolute()
    parent = target.parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise OutputError(f"cannot write {path}: {parent} is a file, not a folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {path}: the folder {parent} is not writable")
    return target


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` when the block ends without an error.

    Raises
    ------
    OutputError
        If `path` is a folder or its folder cannot be written.
    """
    target = check_writable(path)
    if target.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder, a file name was expected")
    with _said(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        # The suffix stays last, because writers choose a format by it.
        handle, name = tempfile.mkstemp(prefix=".partial-", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with _said(path):
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder whose files move into `path` when the block ends without an error.

    Files of the same names are replaced; other files that `path` already holds stay.

    Raises
    ------
    OutputError
        If `path` is a file or cannot be written.
    """
    target = check_writable(path)
    if target.exists() and not target.is_dir():
        raise OutputError(f"cannot write {path}: it is a file, a folder was expected")
    if target.is_dir() and not os.access(target, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {path}: the folder is not writable")
    with _said(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
    try:
        with _said(path):
            yield temporary
            temporary.chmod(0o755)
            if target.exists():
                for entry in sorted(temporary.iterdir()):
                    _replace(entry, target / entry.name)
            else:
                temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _said(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the system says (disk full, read-only, ...) into an error that names the output."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def _replace(source: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    source.replace(target)
