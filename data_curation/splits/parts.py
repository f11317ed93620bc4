"""Read the split of complexes from a column of a table or a CSV file, as parts or as folds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from data_curation.csv_files import read_csv
from data_curation.errors import AssignmentError
from data_curation.records import TEST, TRAIN, VALIDATION

#: Names of the three parts in lower case.
_PART_OF_LABEL = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("validation", "val", "valid", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}


def assigned_parts(table: pd.DataFrame, split: str) -> dict[str, str]:
    """Return the part of each complex that is assigned to one.

    Parameters
    ----------
    table
        Table with a column ``id``.
    split
        Name of a column of `table`, or path of a CSV with ``id,split``. If it contains folds, append a colon
        and the number of the test fold (``fold:0``): the next fold validates, all others train.

    Returns
    -------
    dict
        ``train``, ``validation`` or ``test`` by complex id; variants such as ``Val`` or ``valid`` are
        normalised.

    Raises
    ------
    AssignmentError
        If the split is neither a column nor a file, the file cannot be read, an id occurs twice or is not in
        the table, a part is unknown, or the fold does not exist.
    """
    name, fold = split_and_fold(split)
    if name in table:
        column = table[["id", name]].dropna()
        assigned = {str(row): _text(value) for row, value in column.itertuples(index=False, name=None)}
    elif Path(name).exists():
        assigned = read_split(name)
    else:
        raise AssignmentError(
            f"{name}: neither a column nor a file; the table has the columns {', '.join(map(str, table))}"
        )
    parts = _parts_of_fold(assigned, name, fold) if fold else _checked_parts(assigned, name)
    unknown = sorted(parts.keys() - set(table["id"].astype(str)))
    if unknown:
        raise AssignmentError(
            f"{name}: {len(unknown)} id(s) are not in the table, the first is {unknown[0]!r}; "
            "split the table again, or remove them from the split"
        )
    return parts


def split_and_fold(split: str) -> tuple[str, str]:
    """Return the column or file of a split, and the test fold, which is empty if none is named."""
    name, colon, fold = split.rpartition(":")
    return (name, fold) if colon and fold.isdecimal() else (split, "")


def read_split(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read a CSV ``id,split`` and return the split by id.

    Raises
    ------
    AssignmentError
        If the file cannot be read, a column is missing or an id occurs twice.
    """
    source = Path(path)
    table = read_csv(source, ("id", "split"), error=AssignmentError)
    twice = table["id"][table["id"].duplicated()]
    if len(twice):
        raise AssignmentError(f"{source}: id {twice.iloc[0]!r} occurs twice")
    return dict(zip(table["id"], table["split"], strict=True))


def _text(value: object) -> str:
    """Return a cell as text; the folds of a column with gaps are floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _checked_parts(assigned: Mapping[str, str], name: str) -> dict[str, str]:
    parts = {}
    for row, label in assigned.items():
        part = _PART_OF_LABEL.get(label.strip().lower())
        if part is None:
            folds = f", or {name}:K to test on fold K" if label.lstrip("-").isdecimal() else ""
            raise AssignmentError(
                f"{name}: {row} is in {label!r}; the parts are train (or training), validation (val, valid, "
                f"dev) and test (testing), in any case{folds}"
            )
        parts[row] = part
    return parts


def _parts_of_fold(assigned: Mapping[str, str], name: str, fold: str) -> dict[str, str]:
    numbers = [value for value in assigned.values() if value.lstrip("-").isdecimal()]
    folds = sorted({int(value) for value in numbers if int(value) >= 0})
    if len(numbers) < len(assigned) or int(fold) not in folds:
        held = ", ".join(map(str, folds)) or "none"
        raise AssignmentError(f"{name}: fold {fold} is not there; folds are numbers, found: {held}")
    following = folds[(folds.index(int(fold)) + 1) % len(folds)]
    part_of = {following: VALIDATION} | {int(fold): TEST}
    return {row: part_of.get(int(value), TRAIN) for row, value in assigned.items()}
