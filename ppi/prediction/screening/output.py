"""Rows of a screen as files: blocks as parts in a work folder, joined at the end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from data_curation.errors import OutputError
from data_curation.files import atomic_file, check_writable_file
from ppi.errors import InputError
from ppi.io.predictions import format_csv
from ppi.prediction.screening.columns import COLUMNS, schema

if TYPE_CHECKING:
    import pyarrow as pa

_PARQUET, _SEPARATORS = ".parquet", {".csv": ",", ".tsv": "\t"}
#: Bytes of a row of Parquet, measured: seven numbers hardly shrink, the other columns repeat themselves.
_PARQUET_ROW = 80.0
SUFFIXES = (*_SEPARATORS, _PARQUET)


def check_output(path: Path) -> Path:
    """Return the path if a screen can be written there.

    Raises
    ------
    InputError
        If its suffix is of no format that is written.
    data_curation.errors.OutputError
        If it exists, or cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: unknown suffix {path.suffix!r}; {', '.join(SUFFIXES)} are written")
    target = check_writable_file(path)
    if target.exists():
        raise OutputError(f"{path} exists and is left as it is; name another output, or remove it")
    return path


def write_part(frame: pd.DataFrame, path: Path) -> None:
    """Write the rows of a block in the format of the suffix, without a header, or not at all."""
    with atomic_file(path) as temporary:
        if path.suffix.lower() == _PARQUET:
            import pyarrow.parquet as pq

            pq.write_table(_arrow(frame), temporary, compression="zstd")
        else:
            temporary.write_text(_csv(frame, path.suffix, header=False), encoding="utf-8")


def join_parts(parts: Iterable[Path], target: Path) -> int:
    """Write the rows of all parts into one file: a row group each for Parquet, below one header for CSV.

    Returns
    -------
    int
        How many rows there are.
    """
    rows = 0
    with atomic_file(target) as temporary:
        if target.suffix.lower() == _PARQUET:
            return _join_parquet(parts, temporary)
        with temporary.open("wb") as file:
            file.write(_csv(pd.DataFrame(columns=list(COLUMNS)), target.suffix, header=True).encode())
            for part in parts:
                text = part.read_bytes()
                file.write(text)
                rows += text.count(b"\n")
    return rows


def row_bytes(frame: pd.DataFrame, suffix: str) -> float:
    """Return about how many bytes a row has in the format of a suffix."""
    if suffix == _PARQUET:
        return _PARQUET_ROW
    return len(_csv(frame, suffix, header=False).encode()) / len(frame)


def _join_parquet(parts: Iterable[Path], target: Path) -> int:
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(target, schema(), compression="zstd") as writer:
        for part in parts:
            table = pq.read_table(part)
            if len(table):
                writer.write_table(table.cast(schema()))
                rows += len(table)
    return rows


def _arrow(frame: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pandas(frame, schema(), preserve_index=False).replace_schema_metadata(None)


def _csv(frame: pd.DataFrame, suffix: str, *, header: bool) -> str:
    return format_csv(frame, separator=_SEPARATORS[suffix.lower()], header=header) or ""
