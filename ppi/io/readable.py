"""Predictions as a few lines of text for people, where the table is too wide to read."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from math import isfinite
from typing import Any

import pandas as pd

from ppi.io.predictions import COLUMNS, kd_from_pkd
from ppi.plurals import counted

#: Complexes that are shown.
_MOST = 10
#: Units of Kd, by the number of mol/L that each is.
_UNITS = ((1.0, "M"), (1e-3, "mM"), (1e-6, "µM"), (1e-9, "nM"), (1e-12, "pM"), (1e-15, "fM"))


def readable(table: pd.DataFrame) -> str | None:
    """Return the first predictions as text; None for a table with other columns, as of an adapted model.

    Parameters
    ----------
    table
        Columns of `ppi.io.predictions.COLUMNS`.
    """
    if not set(COLUMNS) <= set(table.columns):
        return None
    lines = [line for row in table.head(_MOST).to_dict("records") for line in _lines(row)]
    if len(table) > _MOST:
        lines.append(f"... and {len(table) - _MOST:,} more")
    return "".join(f"{line}\n" for line in lines)


def _lines(row: Mapping[Hashable, Any]) -> Iterator[str]:
    yield str(row["id"])
    low, middle, high = (molar(float(kd_from_pkd(row[name]))) for name in ("pkd_upper", "pkd", "pkd_lower"))
    limits = f"90 % interval {row['pkd_lower']:.2f} to {row['pkd_upper']:.2f}"
    yield f"  pKd {row['pkd']:.2f} ({limits}), Kd {middle} ({low} to {high})"
    if isfinite(row["pair_identity"]):
        yield f"  {row['novelty']}: {_nearest(row)}"
    if row["anchors"]:
        yield f"  The prediction starts from {counted(row['anchors'], 'measured complex')}."
    elif isfinite(row["nearest_pkd"]):
        yield "  The prediction is that of the model alone; this measurement does not enter it."
    if row["warnings"]:
        yield f"  Note: {row['warnings']}"


def _nearest(row: Mapping[Hashable, Any]) -> str:
    if not row["nearest_complex"]:
        return "no training complex resembles both sides"
    known = f", pKd {row['nearest_pkd']:.2f}" if isfinite(row["nearest_pkd"]) else ""
    name, identity = row["nearest_complex"], row["pair_identity"]
    return f"the nearest measured complex is {name} (identity {identity:.2f}{known})"


def molar(kd: float) -> str:
    """Return a Kd in mol/L with two digits, in the unit that makes it a number from 1 to 1,000."""
    size, unit = next((each for each in _UNITS if kd >= 0.9995 * each[0]), _UNITS[-1])
    return f"{kd / size:.2g} {unit}" if kd < 99.5 * size else f"{kd / size:.0f} {unit}"
