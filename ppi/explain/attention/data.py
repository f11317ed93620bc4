"""The complexes of a diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ppi.datasets import SHIPPED_DATASET, open_dataset
from ppi.errors import InputError
from ppi.io.inputs import read_inputs
from ppi.io.tables import ComplexTable

#: Number of complexes of the data set in the package, if none is given.
DEFAULT_ROWS = 50


def chosen_complexes(files: Sequence[Path], *, rows: int | None, seed: int) -> ComplexTable:
    """Return the complexes of files, or of the data set in the package if there are none.

    Parameters
    ----------
    files
        See `ppi.io.inputs.read_inputs`.
    rows
        Number of complexes that are drawn; by default all of the files, or `DEFAULT_ROWS` of the data set,
        from its rows with an exact pKd.
    seed
        Seed of the draw.

    Raises
    ------
    InputError
        If `rows` is less than 1, or a file cannot be read.
    """
    if rows is not None and rows < 1:
        raise InputError(f"the number of rows is {rows}; give 1 or more")
    table = read_inputs(files) if files else _exact(open_dataset(SHIPPED_DATASET))
    wanted = rows if files or rows is not None else DEFAULT_ROWS
    if wanted is None or wanted >= len(table):
        return table
    drawn = np.random.default_rng(seed).choice(len(table), size=wanted, replace=False)
    return table.rows(np.isin(np.arange(len(table)), drawn).tolist())


def _exact(table: ComplexTable) -> ComplexTable:
    return table.rows(table.columns["censored"].fillna("") == "")


def classes_of(table: ComplexTable, column: str) -> list[str]:
    """Return the class of each complex.

    Raises
    ------
    InputError
        If there is no such column.
    """
    if column not in table.columns:
        known = ", ".join(map(str, table.columns)) or "no further ones"
        raise InputError(f"the table has no column {column!r} to compare heads by; it has {known}")
    values = table.columns[column]
    return values.astype(str).where(values.notna() & (values.astype(str) != ""), "(none)").tolist()
