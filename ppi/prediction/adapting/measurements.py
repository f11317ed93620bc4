"""What was measured of variants: in which unit, and which values are only bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppi.complexes import Complex
from ppi.errors import InputError
from ppi.io.predictions import KCAL_PER_PKD
from ppi.io.tables import ComplexTable
from ppi.prediction.adapting.measured_column import DDG, PKD, measured_column

#: A pKd below this is a Kd above 10 mmol/L, which is not measured: it is in another unit.
_WEAKEST_PKD = 2.0
#: Which way a mark points, for values that rise with the strength of binding: `>` says that Kd, or ddG, is
#: greater than given, so that binding is weaker.
_WEAKER, _STRONGER = -1, 1
_ESTIMATES = ("", "~", "=")


@dataclass(frozen=True)
class Measured:
    """Variants with what was measured of them.

    Attributes
    ----------
    complexes
        ``N`` variants; one may occur again.
    value
        ``(N,)`` in the unit of the column, with the sign by which higher is better.
    side
        ``(N,)``: -1 where the true value is known to be lower, 1 where higher, else 0.
    target
        ``(N,)`` names of the targets.
    column
        Name of the measured column.
    without
        How many rows had no value, and are left out.
    """

    complexes: list[Complex]
    value: np.ndarray
    side: np.ndarray
    target: np.ndarray
    column: str
    without: int


def sign_of(column: str) -> int:
    """Return by what a column is multiplied so that higher is better."""
    return -1 if column == DDG else 1


def unit_of(column: str, value: np.ndarray) -> float:
    """Return how much of the column counts as one unit of pKd: of a score, its standard deviation."""
    if column == PKD:
        return 1.0
    return KCAL_PER_PKD if column == DDG else float(value.std())


def measurements(table: ComplexTable, column: str | None = None) -> Measured:
    """Return what was measured.

    Parameters
    ----------
    table
        Its columns are ``pkd`` (or a Kd), ``ddg_kcal_mol`` or ``score``, and perhaps ``censored`` and
        ``target``.
    column
        Which of them to learn from, or any other column of numbers of which a higher one is better. By
        default the only one that has values.

    Raises
    ------
    InputError
        If there is none or are several, a value is no number or in another unit, or a mark is unknown.
    """
    values = measured_column(table, column)
    name = str(values.name)
    known = values.notna().to_numpy()
    complexes = [item for item, kept in zip(table.complexes, known, strict=True) if kept]
    found = values.to_numpy(dtype=np.float64)[known]
    if name == PKD:
        _check_pkd(complexes, found)
    return Measured(
        complexes,
        sign_of(name) * found,
        _sides(table, name)[known],
        _targets(table)[known],
        name,
        int((~known).sum()),
    )


def _check_pkd(complexes: Sequence[Complex], pkd: np.ndarray) -> None:
    weak = np.flatnonzero(pkd < _WEAKEST_PKD)
    if len(weak):
        first = int(weak[0])
        raise InputError(
            f"{len(weak)} value(s) are a Kd above 10 mmol/L, the first is that of {complexes[first].id!r}: "
            f"Kd {10 ** -pkd[first]:.3g} mol/L (pKd {pkd[first]:.3g}). Is it in another unit? kd_molar is in "
            "mol/L; a Kd in nmol/L is given in a column 'Kd (nM)'"
        )


def _sides(table: ComplexTable, column: str) -> np.ndarray:
    """Return which way the true value lies from a bound."""
    if "censored" not in table.columns:
        return np.zeros(len(table), dtype=int)
    marks = table.columns["censored"].fillna("").astype(str).str.strip()
    # A mark of a score is that of the score itself; all others are that of a Kd or a ddG.
    turn = 1 if column in (PKD, DDG) else -1
    meaning = {">": turn * _WEAKER, "<": turn * _STRONGER} | dict.fromkeys(_ESTIMATES, 0)
    unknown = sorted(set(marks) - set(meaning))
    if unknown:
        raise InputError(f"the column censored holds {unknown[0]!r}; give <, > or nothing")
    found: np.ndarray = marks.map(meaning).to_numpy(dtype=int)
    return found


def _targets(table: ComplexTable) -> np.ndarray:
    if "target" not in table.columns:
        return np.array([""] * len(table), dtype=object)
    names = table.columns["target"]
    if names.isna().any():
        row = int(names.isna().to_numpy().argmax())
        raise InputError(
            f"complex {table.complexes[row].id!r} has no target; name one in each row, or in none"
        )
    found: np.ndarray = names.astype(str).to_numpy(dtype=object)
    return found
