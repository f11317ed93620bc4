"""Which ligand is screened with which receptor: a list of pairs of ids."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from ppi.errors import InputError
from ppi.io.columns import column_names
from ppi.io.frames import file_suffix, read_frame
from ppi.io.sides import Side

#: What `read_pairs` takes.
PairInputs: TypeAlias = "str | os.PathLike[str] | pd.DataFrame | Iterable[tuple[str, str]]"
_ROLES = ("ligand", "receptor")
_FORMS = "give a table with columns ligand and receptor, which hold the ids of sides"
#: How many rows an error names.
_NAMED = 3


def read_pairs(source: PairInputs, ligands: Sequence[Side], receptors: Sequence[Side]) -> np.ndarray:
    """Return ``(P, 2)`` int64: the numbers of ligand and receptor of each pair.

    Parameters
    ----------
    source
        A CSV, TSV, XLSX or Parquet file or a DataFrame with columns ``ligand`` and ``receptor``, which hold
        ids; or tuples of two ids.
    ligands, receptors
        The sides that the ids name.

    Raises
    ------
    InputError
        If the source cannot be read or is empty, an id is not known, or a pair is there twice.
    """
    if isinstance(source, (str, os.PathLike)):
        name, frame = str(source), read_frame(Path(source), _ROLES, _FORMS)
    elif isinstance(source, pd.DataFrame):
        name, frame = "the table of pairs", source
    else:
        name, frame = "the pairs", pd.DataFrame(_tuples(source), columns=list(_ROLES), dtype=object)
    frame = frame.set_axis(column_names(list(frame.columns), name), axis=1)
    missing = [role for role in _ROLES if role not in frame]
    if missing:
        raise InputError(f"{name}: there is no column {' and no column '.join(missing)}; {_FORMS}")
    # Rows are numbered from 1 without the header, and those without any cell are left out.
    frame = frame.set_axis(range(1, len(frame) + 1)).dropna(how="all")
    if frame.empty:
        raise InputError(f"{name}: there are no pairs; {_FORMS}")
    in_text = isinstance(source, (str, os.PathLike)) and file_suffix(Path(source)) != ".parquet"
    frame.index = pd.Index([f"row {row}" + f" (line {row + 1})" * in_text for row in frame.index])
    numbers = [
        _numbers(frame[role], role, sides, name)
        for role, sides in zip(_ROLES, (ligands, receptors), strict=True)
    ]
    pairs = np.stack(numbers, axis=1)
    repeated = pd.DataFrame(pairs).duplicated().to_numpy()
    if repeated.any():
        raise InputError(
            f"{name}: {_rows(frame, repeated)} repeat a pair of an earlier row; keep each pair once"
        )
    return pairs


def _tuples(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    listed = list(pairs)
    for number, pair in enumerate(listed, start=1):
        if not isinstance(pair, (tuple, list)) or len(pair) != len(_ROLES):
            raise InputError(f"the pairs: number {number} is {pair!r}; give (id of ligand, id of receptor)")
    return listed


def _numbers(names: pd.Series, role: str, sides: Sequence[Side], source: str) -> np.ndarray:
    known = pd.Index([side.id for side in sides])
    given = names.where(names.notna(), "").astype(str).str.strip()
    numbers = known.get_indexer(pd.Index(given))
    unknown = numbers < 0
    if unknown.any():
        shown = ", ".join(f"{row}: {name!r}" for row, name in given[unknown].head(_NAMED).items())
        more = ", ..." if unknown.sum() > _NAMED else ""
        raise InputError(
            f"{source}: {unknown.sum()} row(s) name a {role} that is not among the {len(sides)} {role}s: "
            f"{shown}{more}. The id of a FASTA record is the first word of its header, here for example "
            f"{sides[0].id!r}"
        )
    return np.asarray(numbers, dtype=np.int64)


def _rows(frame: pd.DataFrame, chosen: np.ndarray) -> str:
    shown = ", ".join(frame.index[chosen][:_NAMED])
    return shown + (", ..." if chosen.sum() > _NAMED else "")
