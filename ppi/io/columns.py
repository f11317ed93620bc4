"""The names of columns, as tables have them and as they are called here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ppi.errors import InputError

ACCEPTED_COLUMNS = (
    "accepted columns: id,ligand,receptor[,pkd|kd_molar|Kd (nM)][,temperature_kelvin][,split][,weight], "
    "chains joined by ':' or ','; or those of the published data set, "
    "Ligand Sequences, Receptor Sequences, KD(M)"
)
#: Columns with the names of the chains of a side, joined by ``,``.
CHAIN_NAME_COLUMNS = {"ligand": "ligand_chain_names", "receptor": "receptor_chain_names"}
#: What columns are called here, by other names for them: in lower case, letters and digits alone.
_OTHER_NAMES = {
    "ligandsequences": "ligand",
    "receptorsequences": "receptor",
    "kdm": "kd_molar",
}
#: Columns that every table may have; their case, and blanks around them, do not matter.
_KNOWN = (
    "id",
    "ligand",
    "receptor",
    "pkd",
    "kd_molar",
    "temperature_kelvin",
    "split",
    "weight",
    "censored",
    "cluster",
    "pdb",
    "fold",
    "mutant",
    "target",
    "score",
    "ddg_kcal_mol",
)
#: A bound, as people write it into the column of the values.
_BOUND = re.compile(r"\s*(?P<mark>[<>])=?\s*(?P<number>[0-9].*?)\s*")
#: Columns that hold a Kd in another unit, and how many of it are one mol/L.
_KD_UNITS = {"kdmm": 1e3, "kdum": 1e6, "kdnm": 1e9, "kdpm": 1e12, "kdfm": 1e15}


def column_names(header: Sequence[Any], source: str) -> list[str]:
    """Return the names of columns as they are called here; columns that are not known keep theirs.

    Raises
    ------
    InputError
        If a name occurs twice.
    """
    given = [str(name).strip() for name in header]
    simple = [simple_name(name) for name in given]
    own = {simple_name(name): name for name in _KNOWN}
    present = {own[name] for name in simple if name in own}
    names = []
    for name, plain in zip(given, simple, strict=True):
        known = own.get(plain) or _OTHER_NAMES.get(plain)
        # A column of ours is what it says; one of another name is kept beside it as it is.
        names.append(known if known and (plain in own or known not in present) else name)
    names = [name or f"column {place}" for place, name in enumerate(names, start=1)]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        places = ", ".join(str(place) for place, name in enumerate(names, start=1) if name == repeated[0])
        raise InputError(f"{source}: the column {repeated[0]!r} occurs more than once (columns {places})")
    return names


def simple_name(name: Any) -> str:
    """Return a name in lower case without blanks and marks; both letters mu become u."""
    plain = str(name).translate({0xB5: "u", 0x3BC: "u"}).lower()
    return re.sub(r"[\s_()\[\]/.-]", "", plain)


def holds_affinity(name: str) -> bool:
    """Say whether a column holds a pKd, or a Kd in a unit that is known."""
    return simple_name(name) in (*_KD_UNITS, "kdmolar", "pkd")


def with_molar_kd(frame: pd.DataFrame, source: str, rows: Sequence[int]) -> pd.DataFrame:
    """Return a table whose Kd is in mol/L, also where a column such as ``Kd (nM)`` has it in another unit.

    Parameters
    ----------
    frame
        Table with a column ``id``.
    source
        Beginning of every error.
    rows
        Number of each row, for errors.

    Raises
    ------
    InputError
        If two columns hold a Kd, or a Kd is no number.
    """
    for name in frame.columns:
        plain = simple_name(name)
        if plain not in _KD_UNITS:
            continue
        if "kd_molar" in frame:
            raise InputError(
                f"{source}: the columns {name!r} and 'kd_molar' both hold a Kd; keep one of them"
            )
        given = pd.to_numeric(frame[name], errors="coerce").astype(np.float64)
        wrong = np.flatnonzero(frame[name].notna() & ~np.isfinite(given))
        if len(wrong):
            first = int(wrong[0])
            where = f"{source}, row {rows[first]}, id {frame['id'].iloc[first]!r}"
            raise InputError(f"{where}: {not_a_number(str(name), frame[name].iloc[first])}")
        frame = frame.drop(columns=name).assign(kd_molar=given / _KD_UNITS[plain])
    return frame


def not_a_number(name: str, value: object) -> str:
    """Return the message about a measured value that is no finite number, and how a bound is given."""
    bound = _BOUND.fullmatch(str(value))
    if bound is None:
        hint = "A bound is given as its number, with < or > in a column censored"
    else:
        # Marks of a pKd are those of the Kd.
        mark = bound["mark"].translate({60: 62, 62: 60}) if name == "pkd" else bound["mark"]
        hint = f"For this bound, give {bound['number']} here and {mark} in a column censored"
    return f"{name} is {value!r}; give a finite number, or leave the cell empty. {hint}"


def named_frame(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return a table whose columns are called as they are here, the index among them if it is called id."""
    if simple_name(frame.index.name) == "id":
        frame = frame.reset_index()
    return frame.set_axis(column_names(list(frame.columns), source), axis=1)
