"""Which column of a table holds what was measured, called as in the file where it is wrong."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from heads.suggestions import did_you_mean
from ppi.errors import InputError
from ppi.io.columns import column_names, holds_affinity, not_a_number, simple_name
from ppi.io.tables import ComplexTable

#: Columns of measured values. Each is looked for in this order.
PKD, DDG, SCORE = "pkd", "ddg_kcal_mol", "score"
_AFFINITIES = "a Kd with its unit ('Kd (nM)', or mM, uM, pM, fM; or kd_molar, in mol/L)"
_WANTED = (
    f"give a column pkd, {_AFFINITIES}, ddg_kcal_mol or score, or name another one, of which a higher value "
    "means stronger binding, with --value"
)
#: Names of constants that are lower for stronger binding, with a unit or another word behind.
_CONSTANT = re.compile(
    r"(?<![a-z0-9])(?:log(?:10|2)?|ln)?k[ _-]?(?:d(?:is|iss)?|i|off)(?:app|eff|obs|mean|avg|molar|[munpf]?m)?"
    r"(?![a-z])|(?<![a-z0-9])[ie]c[ _-]?\d\d|off[ _-]?rate|dissociation[ _-]?(?:constant|rate)"
)
_ENERGY = re.compile(r"(?<![a-z0-9])(?:d{1,2}g|(?:delta[ _-]?){1,2}g)(?![a-z])|\u03b4g")
#: What turns such a constant round.
_TURNED = re.compile(r"^\s*(?:-|1\s*/)|neg|minus|inverse|reciprocal|improvement")


def measured_column(table: ComplexTable, value: str | None = None) -> pd.Series:
    """Return the measured values as float64; NaN where nothing was measured.

    Parameters
    ----------
    table
        Its columns are ``pkd`` (or a Kd), ``ddg_kcal_mol`` or ``score``, or others.
    value
        Name of the column, as the file has it, in any case; by default the only one of these that has
        values.

    Returns
    -------
    Series
        Its name is ``pkd``, also where the file has a Kd, or that of the column.

    Raises
    ------
    InputError
        If there is none or are several, lower values of it mean stronger binding, or a value is no number.
    """
    columns = _columns(table)
    held = [name for name, values in columns.items() if values.notna().any()]
    if value is not None:
        return _numbers(columns[_chosen(table, value, held)], table)
    found = [name for name in (PKD, DDG, SCORE) if name in held]
    if not found:
        raise InputError(_nothing_measured(table))
    if len(found) > 1:
        named = " and ".join(name for name in _header(table) if _read_as(name) in found)
        raise InputError(f"{_source(table)} has values in {named}; say with --value which to learn from")
    return _numbers(columns[found[0]], table)


def lower_is_stronger(name: str) -> bool:
    """Say whether the name of a column is that of a constant or an energy of dissociation or inhibition."""
    text = name.lower()
    return bool(_CONSTANT.search(text) or _ENERGY.search(text)) and not _TURNED.search(text)


def _columns(table: ComplexTable) -> dict[str, pd.Series]:
    pkd = pd.Series([item.pkd for item in table.complexes], dtype=np.float64, name=PKD)
    return {PKD: pkd} | {str(name): table.columns[name] for name in table.columns}


def _chosen(table: ComplexTable, value: str, held: list[str]) -> str:
    """Return the name by which the column that a user names is known here."""
    source, header = _source(table), _header(table)
    (known,) = column_names([value], source)
    alike = [name for name in header if simple_name(name) == simple_name(known)]
    name = value if value in header else next(iter(alike), None)
    if name is None and known == PKD and PKD in held:
        name = PKD
    if name is None:
        raise InputError(
            f"{source}: there is no column {value!r}{did_you_mean(value, header) or '.'} The columns are "
            f"{', '.join(header)}"
        )
    column = _read_as(name)
    if column not in held:
        raise InputError(f"{source}: the column {name!r} holds no measured values; {_WANTED}")
    if column not in (PKD, DDG) and lower_is_stronger(name):
        raise InputError(_lower_is_stronger(source, name))
    return column


def _lower_is_stronger(source: str, name: str) -> str:
    refused = (
        f"{source}: by its name, lower values of the column {name!r} mean stronger binding, but --value "
    )
    refused += "takes higher values as stronger. "
    if _ENERGY.search(name.lower()):
        return refused + (
            "Name the column ddg_kcal_mol if it is dG(variant) - dG(wild type) in kcal/mol; or give its "
            "negative in a column score"
        )
    return refused + (
        f"Name the column as {_AFFINITIES}, also for a Ki, IC50 or EC50, so that it becomes a pKd; or give "
        "-log10 of its values in a column score"
    )


def _nothing_measured(table: ComplexTable) -> str:
    header = _header(table)
    constants = [name for name in header if lower_is_stronger(name) and not holds_affinity(name)]
    hint = (
        f"The column {constants[0]!r} is not read, because it is not called 'Kd (nM)'. " if constants else ""
    )
    return (
        f"{_source(table)}: there are no measured values in a column that is known; the columns are "
        f"{', '.join(header)}. {hint}To learn from measurements, {_WANTED}"
    )


def _read_as(name: str) -> str:
    return PKD if holds_affinity(name) else name


def _header(table: ComplexTable) -> tuple[str, ...]:
    if table.origin is not None:
        return table.origin.header
    affinity = [PKD] * any(item.pkd is not None for item in table.complexes)
    return ("id", "ligand", "receptor", *affinity, *map(str, table.columns))


def _source(table: ComplexTable) -> str:
    return "the table" if table.origin is None else table.origin.source


def _numbers(values: pd.Series, table: ComplexTable) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce").astype(np.float64)
    wrong = np.flatnonzero(values.notna() & ~np.isfinite(numbers))
    if len(wrong):
        row = int(wrong[0])
        where = f"{_source(table)}, "
        where += f"row {table.origin.rows[row]}, " if table.origin else ""
        raise InputError(
            f"{where}id {table.complexes[row].id!r}: {not_a_number(str(values.name), values.iloc[row])}"
        )
    return numbers.rename(str(values.name))
