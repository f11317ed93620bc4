"""Data sets: the curated one that ships in the package, or a user's own table."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ppi.io.tables import ComplexTable, read_complexes

if TYPE_CHECKING:
    import pandas as pd

SHIPPED_DATASET = "ppb-affinity"


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
