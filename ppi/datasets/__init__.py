"""Data sets: the curated one that ships in the package, or a user's own table."""

from __future__ import annotations

import os
import warnings
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ppi.errors import InputError, PpiWarning
from ppi.io.tables import ComplexTable, read_complexes
from ppi.plurals import counted
from ppi.provenance import source_label

if TYPE_CHECKING:
    import pandas as pd

SHIPPED_DATASET = "ppb-affinity"
#: Columns that say what trains and what tests, the first that is there.
DEFAULT_SPLITS = ("split", "split_strict")


def dataset_path() -> Path:
    """Return the path of the curated table in the package."""
    return Path(str(files("ppi.datasets") / "complexes.parquet"))


def load_dataset() -> pd.DataFrame:
    """Return the curated data set that ships in the package; its data card describes the columns."""
    import pandas as pd

    return pd.read_parquet(dataset_path())


def open_dataset(data: str | os.PathLike[str] | ComplexTable) -> ComplexTable:
    """Return complexes and columns of a table, a file, or ``ppb-affinity``, the shipped data set.

    Raises
    ------
    ppi.errors.InputError
        If the file cannot be read or a record is wrong.
    """
    if isinstance(data, ComplexTable):
        return data
    return read_complexes(dataset_path() if str(data) == SHIPPED_DATASET else data)


def default_split(table: ComplexTable) -> str:
    """Return the column that says what trains and what tests, if none was named.

    Raises
    ------
    ppi.errors.InputError
        If there is none.
    """
    for name in DEFAULT_SPLITS:
        if name in table.columns:
            return name
    raise InputError(
        f"the table has no column {' or '.join(DEFAULT_SPLITS)}; name another column, or a CSV with the "
        "columns id and split, with --split; `ppi split TABLE --output split.csv` makes such a CSV"
    )


def data_labels(
    data: str | os.PathLike[str] | ComplexTable, table: ComplexTable, split: str | os.PathLike[str] | None
) -> dict[str, str]:
    """Return ``name, split``: how the data and the split, by default that of the table, are called."""
    used = default_split(table) if split is None else split
    return {"name": source_label(data), "split": source_label(used)}


def split_dataset(
    data: str | os.PathLike[str] | ComplexTable, split: str | os.PathLike[str] | None = None
) -> ComplexTable:
    """Return the complexes to train and test on, with their part in column ``split``.

    Rows whose pKd is only a bound (column ``censored`` is not empty) and rows without a part are excluded,
    with a warning where a file does not name them; an empty cell of a column says so on purpose.

    Parameters
    ----------
    data
        Table, or its path; see `open_dataset`.
    split
        Column of the table, or CSV with ``id,split``; ``fold:0`` for a column of folds
        (`data_curation.splits.parts.assigned_parts`). By default the column ``split``, else ``split_strict``.

    Raises
    ------
    ppi.errors.InputError
        If the file cannot be read, a record is wrong, there is no split, or a ``censored`` mark is unknown.
    data_curation.errors.AssignmentError
        If the split is neither a column nor a readable CSV of ids of this table.
    """
    from data_curation.splits.parts import assigned_parts, split_and_fold

    table = open_dataset(data)
    frame = table.frame()
    name = default_split(table) if split is None else str(split)
    part = assigned_parts(frame, name)
    columns = table.columns.assign(split=frame["id"].map(part))
    if split_and_fold(name)[0] not in frame:
        _warn_of_rows_without_part(frame["id"][columns["split"].isna()].tolist(), len(frame), name)
    keep = columns["split"].notna()
    if "censored" in columns:
        marks = columns["censored"].fillna("").astype(str)
        unknown = sorted(set(marks) - {"", "<", ">", "~"})
        if unknown:
            raise InputError(
                f"the column censored holds {unknown[0]!r}; <, >, ~ and an empty cell are allowed"
            )
        keep &= marks == ""
    return ComplexTable(table.complexes, columns).rows(keep)


def _warn_of_rows_without_part(without: list[str], rows: int, split: str) -> None:
    if without:
        warnings.warn(
            f"{len(without):,} of {counted(rows, 'complex')} have no part in {split} and are left out, "
            f"the first is {without[0]!r}; is this the split of this table? `ppi split` makes one",
            PpiWarning,
            stacklevel=3,
        )
