"""One complex from one row of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from data_curation.records import LARGEST_KD
from ppi.complexes import Complex, split_side
from ppi.errors import InputError
from ppi.io.columns import not_a_number
from ppi.io.frames import MISSING_CELLS

#: pKd and Kd of one row may differ by this much, from rounding.
_PKD_TOLERANCE = 0.02


def complex_from_row(row: Mapping[Any, object], where: str) -> Complex:
    """Return the complex of a row with ``id, ligand, receptor`` and perhaps ``pkd`` or ``kd_molar``.

    Raises
    ------
    InputError
        If a cell is wrong; the message begins with `where`.
    """
    try:
        ligand, receptor = _side(row, "ligand"), _side(row, "receptor")
        name = "" if row["id"] is None or row["id"] != row["id"] else str(row["id"])
        return Complex(name, ligand, receptor, pkd=_pkd(row))
    except InputError as error:
        raise InputError(f"{where}, id {row['id']!r}: {error}") from error


def _side(row: Mapping[Any, object], side: str) -> tuple[str, ...]:
    given = row[side]
    if isinstance(given, (list, tuple, np.ndarray)):
        return tuple(given)
    if not isinstance(given, str) or given in MISSING_CELLS:
        raise InputError(f"the {side} is missing; give residues, chains joined by ':'")
    return split_side(given)


def _pkd(row: Mapping[Any, object]) -> float | None:
    pkd, kd = _number(row, "pkd"), _number(row, "kd_molar")
    if kd is None:
        return pkd
    if not 0 < kd <= LARGEST_KD:
        raise InputError(
            f"kd_molar is {kd:g}; a Kd in mol/L is a number above zero and at most {LARGEST_KD:g}. Is it "
            "in another unit?"
        )
    from_kd = -math.log10(kd)
    if pkd is not None and abs(pkd - from_kd) > _PKD_TOLERANCE:
        raise InputError(
            f"pkd is {pkd:g}, but kd_molar {kd:g} is a pkd of {from_kd:.3g}; correct one, or leave one out"
        )
    return from_kd if pkd is None else pkd


def _number(row: Mapping[Any, object], name: str) -> float | None:
    value = row.get(name)
    if value is None or value != value or str(value).strip() in MISSING_CELLS:
        return None
    try:
        number = float(str(value))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(not_a_number(name, value))
    return number
