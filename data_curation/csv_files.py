"""Read CSV files as text, with one clear error for every problem."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from data_curation.errors import CurationError, SourceError

_UNREADABLE = (
    OSError,
    EOFError,
    zlib.error,
    UnicodeDecodeError,
    pd.errors.ParserError,
    pd.errors.EmptyDataError,
)


def read_csv(
    path: str | os.PathLike[str],
    columns: Sequence[str] = (),
    separator: str = ",",
    error: type[CurationError] = SourceError,
) -> pd.DataFrame:
    """Return a CSV (may be gzip) with every value as text and no value as missing.

    Parameters
    ----------
    path
        Path of the file.
    columns
        Required columns.
    separator
        Separator of the values in a line.
    error
        Class of the error to raise.

    Raises
    ------
    CurationError
        An instance of `error`, if the file cannot be read or a column is missing.
    """
    source = Path(path)
    try:
        table = pd.read_csv(source, sep=separator, dtype=str, keep_default_na=False)
    except FileNotFoundError as cause:
        raise error(f"{source}: no such file; give a CSV file") from cause
    except _UNREADABLE as cause:
        raise error(f"{source}: not a readable CSV ({cause})") from cause
    require_columns(table, columns, source, error)
    return table


def require_columns(
    table: pd.DataFrame, columns: Sequence[str], source: Path, error: type[CurationError] = SourceError
) -> None:
    """Raise `error` if a column is missing; the message lists the existing columns."""
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise error(
            f"{source}: missing column(s) {', '.join(missing)}; it has {', '.join(map(str, table.columns))}"
        )
