"""Atomic writing of files: a temporary file is written in the same folder, then renamed."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from data_curation.errors import OutputError

_BLOCK = 2**20
#: Permissions of a file that is not executable, before the umask.
_ANY_FILE = 0o666


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check_writable_file(path: str | os.PathLike[str]) -> Path:
    """Raise before any heavy work if a file cannot be created or replaced.

    Raises
    ------
    OutputError
        If `path` is a folder, or the nearest existing folder above it is not writable.
    """
    target = Path(path).absolute()
    if target.is_dir():
        raise OutputError(f"cannot write {path}: it is a folder; give a file name")
    if target.exists() and not target.is_file():
        raise OutputError(f"cannot write {path}: it is a device or a pipe; name a file")
    _check_folder(target.parent, path)
    return target


def refuse_overwriting(path: str | os.PathLike[str], sources: Iterable[str | os.PathLike[str]]) -> None:
    """Raise if an output file is also an input file.

    Raises
    ------
    OutputError
        If both paths refer to the same file.
    """
    for source in sources:
        if Path(path).exists() and Path(source).exists() and Path(path).samefile(source):
            raise OutputError(f"cannot write {path}: it is the input file {source}; name another output")


def refuse_existing(path: str | os.PathLike[str]) -> None:
    """Raise if an output file exists already.

    Raises
    ------
    OutputError
        If there is anything by this name.
    """
    if Path(path).exists():
        raise OutputError(f"{path} exists and is left as it is; name another output, or remove it")


def check_writable_folder(path: str | os.PathLike[str]) -> Path:
    """Raise before any heavy work if a folder cannot be created or written into.

    Raises
    ------
    OutputError
        If `path` is a file, or it or the nearest existing folder above it is not writable.
    """
    target = Path(path).absolute()
    _check_folder(target, path)
    return target


def _check_folder(folder: Path, path: str | os.PathLike[str]) -> None:
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise OutputError(f"cannot write {path}: {folder} is a file, not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {path}: the folder {folder} is not writable")


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` when the block ends without an error.

    The permissions are those of any new file, according to the umask.

    Raises
    ------
    OutputError
        If `path` is a folder or its folder cannot be written.
    """
    target = check_writable_file(path)
    with _output_errors(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        # The suffix stays last, because writers choose the format by it.
        temporary = target.with_name(f"{_unused_name()}{target.suffix}")
        temporary.touch(exist_ok=False)
        mode = stat.S_IMODE(temporary.stat().st_mode)
    try:
        with _output_errors(path):
            yield temporary
            temporary.chmod(mode)  # Some writers leave files that only their owner can read.
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder whose files appear in `path` when the block ends without an error.

    A new folder appears with all its files at once. In an existing folder, files with the same names are
    replaced one by one after all of them have been written; its other files stay.

    Raises
    ------
    OutputError
        If `path` is a file or cannot be written.
    """
    target = check_writable_folder(path)
    exists = target.exists()
    with _output_errors(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        # The temporary folder is inside an existing one, because only that one is known to be writable.
        temporary = (target if exists else target.parent) / _unused_name()
        temporary.mkdir()
        mode = stat.S_IMODE(temporary.stat().st_mode)
    try:
        with _output_errors(path):
            yield temporary
            for entry in temporary.iterdir():
                entry.chmod(mode & _ANY_FILE)  # Some writers leave files that only their owner can read.
            if exists:
                for entry in sorted(temporary.iterdir()):
                    entry.replace(target / entry.name)
            else:
                temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unused_name() -> str:
    """Return an unused name for a temporary file or folder, which is then created with the usual umask."""
    return f".partial-{uuid.uuid4().hex}"


@contextmanager
def _output_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Convert errors of the system (disk full, read-only, ...) to an error that names the output."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
