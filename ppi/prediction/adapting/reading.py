"""Tables of variants: as complexes, or as mutations of a wild type."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ppi.complexes import CHAIN_SEPARATOR
from ppi.effects.mutations import apply_mutations
from ppi.errors import InputError
from ppi.io.columns import named_frame
from ppi.io.frames import TABLE_SUFFIXES, read_frame
from ppi.io.inputs import Inputs, read_inputs
from ppi.io.tables import ComplexTable, complexes_from_frame
from ppi.prediction.scanning.labels import label_table
from ppi.prediction.scanning.notation import parse_variant

#: What the wild type itself is called in a column of mutants.
_WILD = ("", "wt", "wild type", "wild-type", "wildtype")


#: Columns that name variants, and those that measurements may be in beside them.
_VARIANTS = "give columns id, ligand and receptor, or a column mutant (ligand:1:H102A) and a wild type"
MEASUREMENTS = f"{_VARIANTS} (--wild); and one of pkd, kd_molar, Kd (nM), ddg_kcal_mol and score"


def read_variants(source: Inputs, wild: ComplexTable | None, *, forms: str = _VARIANTS) -> ComplexTable:
    """Read variants of complexes.

    Parameters
    ----------
    source
        As `ppi.io.inputs.read_inputs` takes it; a table may have an id more than once, as replicates have.
    wild
        The wild type alone; a table may then name variants in a column ``mutant``, as
        `ppi.prediction.scanning.notation.parse_variant` reads them, instead of columns ligand and receptor.
    forms
        Which columns an empty file may have, for its error.

    Raises
    ------
    InputError
        If it cannot be read, or a mutant does not fit.
    """
    frame, name = _frame_of(source, forms)
    if frame is None:
        return read_inputs(source)
    header = tuple(map(str, frame))
    if not {"ligand", "receptor"} <= set(frame):
        if "mutant" not in frame:
            raise InputError(
                f"{name}: it has the columns {', '.join(header)}; variants are named by columns "
                "ligand and receptor with their chains, or by a column mutant, such as ligand:1:H102A, with "
                "--wild"
            )
        if wild is None:
            raise InputError(
                f"{name}: it names variants in the column mutant, but no wild type is given; add --wild "
                "complex.fasta, or columns ligand and receptor"
            )
        frame = _with_sequences(frame, name, wild)
    table = complexes_from_frame(_with_own_ids(frame), name)
    return replace(table, origin=table.origin and replace(table.origin, header=header))


def read_wild(source: Inputs) -> ComplexTable:
    """Read the wild type.

    Raises
    ------
    InputError
        If there is more than one complex.
    """
    table = read_inputs(source)
    if len(table) != 1:
        raise InputError(f"the wild type is one complex, but {len(table)} are given; give a file with one")
    return table


def _frame_of(source: Inputs, forms: str) -> tuple[pd.DataFrame | None, str]:
    if isinstance(source, pd.DataFrame):
        # Rows are counted; the labels of a table that was concatenated may occur again.
        return named_frame(source, "the table").reset_index(drop=True), "the table"
    if isinstance(source, (list, tuple)) and len(source) == 1:
        return _frame_of(source[0], forms)
    if isinstance(source, (str, os.PathLike)) and _is_table(Path(source)):
        return named_frame(read_frame(Path(source), forms=forms), str(source)), str(source)
    return None, ""


def _is_table(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    return path.is_file() and suffixes[-1:] != [] and suffixes[-1] in TABLE_SUFFIXES


def _with_sequences(frame: pd.DataFrame, name: str, wild: ComplexTable) -> pd.DataFrame:
    """Return a table with the sequences of its mutants, named by them where it has no ids."""
    item, labels = wild.complexes[0], label_table(wild, None)[0]
    rows = frame.index
    frame = frame[frame.notna().any(axis=1)]
    mutants = frame["mutant"].fillna("").astype(str).str.strip()
    ligand, receptor = [], []
    for number, text in zip(frame.index, mutants, strict=True):
        try:
            variant = () if text.lower() in _WILD else parse_variant(text, item, labels)
        except InputError as error:
            raise InputError(f"{name}, row {int(number) + 1}: {error}") from error
        mutated = apply_mutations(item, variant)
        ligand.append(CHAIN_SEPARATOR.join(mutated.ligand))
        receptor.append(CHAIN_SEPARATOR.join(mutated.receptor))
    named = frame if "id" in frame else frame.assign(id=mutants.where(mutants != "", "wild type"))
    # Empty rows stay, so that others keep their numbers.
    return named.assign(ligand=ligand, receptor=receptor).reindex(rows)


def _with_own_ids(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which an id that occurs again has its number behind it."""
    if "id" not in frame:
        return frame
    seen, names = Counter[str](), []
    for given in frame["id"]:
        seen[str(given)] += 1
        again = not pd.isna(given) and seen[str(given)] > 1
        names.append(f"{given} ({seen[str(given)]})" if again else given)
    return frame.assign(id=names)
