"""Text files as people have them: plain or gzip, any line ending, with or without a byte-order mark."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from pathlib import Path

from ppi.errors import InputError

#: Names of standard input: that of users, and what the command line makes of it.
_STANDARD_INPUT = ("-", "/dev/stdin")
_GZIP_MAGIC = b"\x1f\x8b"


def read_text(path: Path) -> str:
    """Return the text of a file, unpacked if it is gzip whatever its name, with ``\\n`` line ends.

    Raises
    ------
    InputError
        If there is no such file, it is a folder, it cannot be read, or it is not UTF-8 text.
    """
    return decoded(read_bytes(path), path)


def is_standard_input(source: object) -> bool:
    """Say whether a source is the name of standard input."""
    return isinstance(source, (str, os.PathLike)) and os.fspath(source) in _STANDARD_INPUT


def read_standard_input(source: str) -> str:
    """Return the text of standard input, read to its end, as `read_text` returns that of a file.

    Raises
    ------
    InputError
        If it is not UTF-8 text, or broken gzip; the message begins with `source`.
    """
    return decoded(unpacked(sys.stdin.buffer.read(), source), source)


def decoded(data: bytes, source: Path | str) -> str:
    """Return the text of bytes, with ``\\n`` line ends.

    Raises
    ------
    InputError
        If they are not UTF-8 text; the message begins with `source`.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: not a text file (byte {error.start + 1} is not UTF-8)") from error
    return with_plain_line_ends(text)


def with_plain_line_ends(text: str) -> str:
    """Return a text with ``\\n`` at the end of each line, and without a byte-order mark."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def format_bytes(count: float) -> str:
    """Return a number of bytes for people: ``512 B``, ``64.0 kB``, ``1.50 MB``, ``2.30 GB``."""
    for unit, size, digits in (("GB", 1e9, 2), ("MB", 1e6, 2), ("kB", 1e3, 1)):
        if count >= size:
            return f"{count / size:.{digits}f} {unit}"
    return f"{count:.0f} B"


def format_duration(seconds: float) -> str:
    """Return a time for people: ``45 seconds``, ``2.5 minutes``, ``3.0 hours``, ``2.1 days``."""
    for name, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {name}"
    return "1 second" if seconds < 1.5 else f"{seconds:.0f} seconds"


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file, unpacked if it is gzip.

    Raises
    ------
    InputError
        If there is no such file, it is a folder, it cannot be read, or the gzip is broken.
    """
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; give a file")
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return unpacked(data, path)


def unpacked(data: bytes, source: Path | str) -> bytes:
    """Return bytes, unpacked if they are gzip.

    Raises
    ------
    InputError
        If the gzip is broken; the message begins with `source`.
    """
    if not data.startswith(_GZIP_MAGIC):
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{source}: broken gzip file ({error})") from error
