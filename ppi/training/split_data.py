"""The complexes of a run: those that are learnt from, and those that choose the epoch and calibrate."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

from ppi.datasets import open_dataset, split_dataset
from ppi.datasets.ratios import ratios_for
from ppi.errors import InputError
from ppi.io.tables import ComplexTable
from ppi.models.calibration import check_groups, needed_groups


class SplitData(NamedTuple):
    """A split data set.

    Attributes
    ----------
    full, table
        All complexes of the data, and those of the split.
    train, validation
        Its two parts.
    train_labels, validation_labels
        ``(N,)`` pKd of the complexes of each.
    """

    full: ComplexTable
    table: ComplexTable
    train: ComplexTable
    validation: ComplexTable
    train_labels: np.ndarray
    validation_labels: np.ndarray


def read_split_data(
    data: str | os.PathLike[str] | ComplexTable, split: str | os.PathLike[str] | None
) -> SplitData:
    """Read and check the data of a run.

    Parameters
    ----------
    data, split
        See `ppi.training.run.train`.

    Raises
    ------
    ppi.errors.InputError
        If the data or the split is wrong, a complex has no pKd, all have the same, or there are too few
        validation groups for an interval.
    """
    full = open_dataset(data)
    table = split_dataset(full, split)
    train, validation = table.part("train"), table.part("validation")
    parts = SplitData(
        full, table, train, validation, _labels(train, "training"), _labels(validation, "validation")
    )
    _check_validation(table, validation)
    return parts


def _check_validation(table: ComplexTable, validation_part: ComplexTable) -> None:
    """Raise if there are too few validation groups for an interval; the message suggests split ratios."""
    targets = validation_part.targets()
    try:
        check_groups(targets)
    except InputError as error:
        remedy = ratios_for(len(table), len(targets), len(np.unique(targets)), needed_groups())
        raise InputError(f"{error}; {remedy}") from error


def _labels(part: ComplexTable, what: str) -> np.ndarray:
    labels = part.measured_pkd(what)
    if len(labels) == 1:
        raise InputError(
            f"the split has only 1 {what} complex, {part.complexes[0].id!r}, so there is nothing to rank; "
            "give the split of this table with --split, or make one with `ppi split`"
        )
    if np.ptp(labels) == 0:
        raise InputError(f"all {len(labels)} {what} complexes have the same pKd, so there is nothing to rank")
    return labels
