"""The folds of a development cross-validation, with rows to train, to validate and to predict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ppi.datasets import split_dataset
from ppi.errors import InputError
from ppi.io.tables import ComplexTable
from ppi.models.calibration import needed_groups
from ppi.provenance import table_sha256

#: Number of folds that are predicted; rows of `ALWAYS_TRAINS` are not.
FOLDS = 5
ALWAYS_TRAINS = -1
#: Fraction of the groups outside a fold for early stopping and for calibrating the intervals.
VALIDATION_PART = 0.1
_SPLIT, _FOLD, _CLUSTER = "split_strict", "fold", "cluster"


@dataclass(frozen=True)
class Fold:
    """One fold of the data.

    Attributes
    ----------
    number
        Its number, 0 to 4.
    table
        All rows, with ``train``, ``validation`` or, for those that are predicted, ``test`` in column
        ``split``.
    """

    number: int
    table: ComplexTable

    @property
    def known(self) -> ComplexTable:
        """Rows of training and validation, which a model of this fold may use."""
        return self.table.rows(self.table.columns["split"] != "test")

    @property
    def predicted(self) -> ComplexTable:
        """Rows of the fold, which are predicted."""
        return self.table.part("test")

    @property
    def sha256(self) -> str:
        """Hash of the rows and their parts."""
        return table_sha256(self.table)

    @property
    def shared_groups(self) -> int:
        """Number of predicted complexes with others of their own group in training or validation."""
        return int(np.isin(self.predicted.targets(), self.known.targets()).sum())


def development_rows(table: ComplexTable) -> ComplexTable:
    """Return the rows of a development cross-validation: exact pKd, a part that is not test, and a fold.

    Parameters
    ----------
    table
        Table with the columns ``fold``, ``split_strict`` and ``cluster``.

    Returns
    -------
    ComplexTable
        The table with ``fold`` as integers.

    Raises
    ------
    InputError
        If a column is missing, a fold is none of -1 to 4, a fold has no row, or all pKd are the same.
    """
    missing = [name for name in (_FOLD, _SPLIT, _CLUSTER) if name not in table.columns]
    if missing:
        raise InputError(
            f"the table has no column {' and no column '.join(missing)}; a development cross-validation "
            "needs fold (0 to 4; -1 always trains), split_strict (test is left out) and cluster, as "
            "`ppi curate` writes them"
        )
    rows = split_dataset(table, _SPLIT)
    rows = rows.rows(rows.columns["split"] != "test")
    folds = pd.to_numeric(rows.columns[_FOLD], errors="coerce")
    wrong = ~folds.isin(range(ALWAYS_TRAINS, FOLDS))
    if wrong.any():
        first = int(wrong.to_numpy().argmax())
        given = str(rows.columns[_FOLD].iloc[first])
        raise InputError(
            f"complex {rows.complexes[first].id!r}: fold is {given!r}; it must be "
            f"0 to {FOLDS - 1}, or {ALWAYS_TRAINS} for rows that always train"
        )
    empty = sorted(set(range(FOLDS)) - set(folds))
    if empty:
        raise InputError(
            f"no exact row outside the test part has fold {empty[0]}; each of the folds 0 to {FOLDS - 1} "
            "needs complexes"
        )
    labels = rows.measured_pkd("development")
    if np.ptp(labels) == 0:
        raise InputError(f"all {len(rows)} development complexes have the same pKd: there is nothing to rank")
    return ComplexTable(rows.complexes, rows.columns.assign(**{_FOLD: folds.astype(int)}))


def make_folds(rows: ComplexTable, *, seed: int = 0) -> list[Fold]:
    """Return the folds, each with groups held out of its training rows as validation.

    A tenth of the groups (`ppi.io.tables.ComplexTable.targets`) outside a fold is drawn, but at least as many
    as an interval needs.

    Parameters
    ----------
    rows
        Result of `development_rows`.
    seed
        Seed of the draws.

    Raises
    ------
    InputError
        If there are too few groups outside a fold.
    """
    return [_make_fold(rows, number, np.random.default_rng([seed, number])) for number in range(FOLDS)]


def _make_fold(rows: ComplexTable, number: int, random: np.random.Generator) -> Fold:
    inside = (rows.columns[_FOLD] == number).to_numpy()
    targets = rows.targets()
    groups = np.unique(targets[~inside])
    least = needed_groups()
    if len(groups) <= least:
        raise InputError(
            f"the rows outside fold {number} are of {len(groups)} groups (column cluster, else pdb, else "
            f"each alone); at least {least + 1} are needed, {least} of them to calibrate the interval and "
            "the others to train"
        )
    held = random.choice(groups, size=max(least, round(VALIDATION_PART * len(groups))), replace=False)
    part = np.where(inside, "test", np.where(np.isin(targets, held), "validation", "train"))
    return Fold(number, ComplexTable(rows.complexes, rows.columns.assign(split=part)))
