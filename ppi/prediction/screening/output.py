"""The table of a screen: its columns, and its rows as files, blocks as parts that are joined at the end."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from data_curation.files import atomic_file, check_writable_file, refuse_existing
from ppi.errors import InputError
from ppi.io.predictions import COLUMNS as OF_PREDICTIONS
from ppi.io.predictions import format_csv

if TYPE_CHECKING:
    import pyarrow as pa

_FROM_PREDICTIONS = (
    "pkd",
    "pkd_std",
    "pkd_lower",
    "pkd_upper",
    "kd_molar",
    "partner_score",
    "novelty",
    "ligand_identity",
    "receptor_identity",
    "pair_identity",
    "nearest_complex",
    "nearest_pkd",
    "anchors",
    "warnings",
    "truncated",
    "model",
)
#: The columns of a screen, in order, and what each holds.
COLUMNS = {
    "ligand": "id of the ligand",
    "receptor": "id of the receptor",
    "rank": "where the pair stands among all pairs of its target, from 1, by pKd; where pKd is equal, by the "
    "lower end of the interval; pairs that are equal in both share a rank",
    "overlapping": "how many other pairs of the target have an interval that overlaps with this one's: by "
    "their intervals they cannot be told apart",
    "z_score": "pKd minus the mean of all pairs of the target, over their standard deviation; empty for "
    "fewer than 10 pairs",
} | {name: OF_PREDICTIONS[name] for name in _FROM_PREDICTIONS}
_TEXT = ("ligand", "receptor", "novelty", "nearest_complex", "warnings", "model")
_COUNTS = ("rank", "overlapping", "anchors")
_PARQUET, _SEPARATORS = ".parquet", {".csv": ",", ".tsv": "\t"}
#: Rows that are read at once.
_READ_ROWS = 65_536
#: Bytes of a row of Parquet, measured: seven numbers hardly shrink, the other columns repeat themselves.
_PARQUET_ROW = 80.0
_SUFFIXES = (*_SEPARATORS, _PARQUET)


def check_format(path: str | os.PathLike[str]) -> Path:
    """Return the path of an output in a format that is written, by its suffix.

    Raises
    ------
    InputError
        If it is not.
    """
    output = Path(path)
    if output.suffix.lower() not in _SUFFIXES:
        raise InputError(f"{path}: unknown suffix {output.suffix!r}; give {', '.join(_SUFFIXES)}")
    return output


def check_output(path: str | os.PathLike[str]) -> Path:
    """Return the path if a screen can be written there.

    Raises
    ------
    InputError
        If its suffix is of no format that is written.
    data_curation.errors.OutputError
        If it exists, or cannot be written.
    """
    output = check_format(path)
    check_writable_file(output)
    refuse_existing(output)
    return output


def holds_screen(path: Path) -> bool:
    """Return whether a file has the columns of a screen; a screen writes its output as it ends, or not."""
    try:
        if path.suffix.lower() == _PARQUET:
            import pyarrow.parquet as pq

            return pq.read_schema(path).names == list(COLUMNS)
        with path.open("rb") as file:
            return file.readline() == _header(path.suffix)
    except (OSError, ValueError):  # There is no such file, or it is no Parquet file.
        return False


def schema() -> pa.Schema:
    """Return the columns as Parquet has them; texts that repeat are stored once."""
    import pyarrow as pa

    def kind(name: str) -> pa.DataType:
        if name in _TEXT:
            return pa.dictionary(pa.int32(), pa.string())
        if name in _COUNTS:
            return pa.int32()
        return pa.bool_() if name == "truncated" else pa.float64()

    return pa.schema([(name, kind(name)) for name in COLUMNS])


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
            file.write(_header(target.suffix))
            for part in parts:
                text = part.read_bytes()
                file.write(text)
                rows += text.count(b"\n")
    return rows


def read_blocks(path: Path, columns: list[str]) -> Iterator[pd.DataFrame]:
    """Yield some columns of the file of a screen, some rows at a time, in order."""
    if path.suffix.lower() == _PARQUET:
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_READ_ROWS, columns=columns):
                yield batch.to_pandas()
        return
    separator = _SEPARATORS[path.suffix.lower()]
    texts: dict[Hashable, type[str]] = {name: str for name in _TEXT if name in columns}
    with pd.read_csv(
        path,
        sep=separator,
        usecols=columns,
        chunksize=_READ_ROWS,
        dtype=texts,
        keep_default_na=False,
        na_values={name: [""] for name in columns},
    ) as blocks:
        yield from blocks


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


def _header(suffix: str) -> bytes:
    return _csv(pd.DataFrame(columns=list(COLUMNS)), suffix, header=True).encode()


def _csv(frame: pd.DataFrame, suffix: str, *, header: bool) -> str:
    return format_csv(frame, separator=_SEPARATORS[suffix.lower()], header=header) or ""
