"""The splits of a study: their complexes, the novelty of these, and the predictions of the baselines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_curation.audit.leakage import similar_chains
from data_curation.files import atomic_folder
from data_curation.splits.parts import split_and_fold
from ppi.datasets import SHIPPED_DATASET, open_dataset, split_dataset
from ppi.errors import SettingsError
from ppi.evaluation.baselines import sequence_baselines
from ppi.evaluation.neighbours import highest_identity
from ppi.io.json_files import read_json, write_json
from ppi.io.tables import ComplexTable
from ppi.prediction.novelty import pair_identities
from ppi.provenance import table_sha256
from ppi.study.cells import slug
from ppi.study.folds import development_rows, make_folds

#: Parts that are predicted, in this order.
PARTS = ("validation", "test")
SPLITS_FOLDER, ROWS_FILE, _FACTS = "splits", "rows.csv", "split.json"
#: The split that stands for the five folds of the development cross-validation.
DEVELOPMENT = "development"
_ASSIGNMENT_FILE = "assignment.csv"
#: Columns of `reference_rows` that are not a baseline.
ROW_COLUMNS = ("id", "part", "measured", "group", "identity", "pair_identity")


@dataclass(frozen=True)
class StudySplit:
    """A split of the data.

    Attributes
    ----------
    name
        Name of the split in file names.
    argument
        Column, or path relative to the folder of the study.
    data
        Data, with a path relative to that folder.
    table
        Complexes with their part in column ``split``.
    sha256
        SHA-256 of the table.
    scored_as
        Name under which it is scored; splits of one name are scored together.
    """

    name: str
    argument: str
    data: str
    table: ComplexTable
    sha256: str
    scored_as: str

    def counts(self) -> dict[str, int]:
        """Return the complexes of each part."""
        return {part: len(self.table.part(part)) for part in ("train", *PARTS)}


def open_splits(data: str, splits: Sequence[str], folder: Path) -> list[StudySplit]:
    """Read the data with each of its splits.

    Parameters
    ----------
    data, splits
        As in `ppi.study.settings.StudySettings`; paths are relative to the working directory.
    folder
        Folder of the study, to which the paths become relative.

    Raises
    ------
    ppi.errors.PpiError, data_curation.errors.AssignmentError
        If the data or a split cannot be read, a part has no complex, or one without pKd.
    """
    whole = open_dataset(data)
    place = data if data == SHIPPED_DATASET else os.path.relpath(data, folder)
    found: dict[str, StudySplit] = {}
    for given in splits:
        for split in _folds(whole, place) if given == DEVELOPMENT else [_split(given, whole, place, folder)]:
            if split.name in found:
                raise SettingsError(
                    f"the splits {found[split.name].argument} and {split.argument} would have the same name "
                    f"{split.name}"
                )
            found[split.name] = split
    return list(found.values())


def _split(given: str, whole: ComplexTable, data: str, folder: Path) -> StudySplit:
    table = split_dataset(whole, given)
    for part in ("train", *PARTS):
        table.part(part).measured_pkd(f"{part} ({given})")
    name = slug(given.removesuffix(".csv"))
    return StudySplit(name, _argument(given, whole, folder), data, table, table_sha256(table), name)


def _folds(whole: ComplexTable, data: str) -> list[StudySplit]:
    """Return the folds of the development cross-validation, whose parts `reference_rows` writes."""
    splits = []
    for fold in make_folds(development_rows(whole)):
        name = f"{DEVELOPMENT}-{fold.number}"
        argument = f"{SPLITS_FOLDER}/{name}/{_ASSIGNMENT_FILE}"
        splits.append(StudySplit(name, argument, data, fold.table, fold.sha256, DEVELOPMENT))
    return splits


def reference_rows(split: StudySplit, folder: Path) -> pd.DataFrame:
    """Return the rows that do not depend on a model; they are computed once and saved in a folder.

    Returns
    -------
    DataFrame
        One row per complex of validation and test: ``id, part, measured`` (pKd), ``group`` (the unit of the
        bootstrap), ``identity`` (highest of any chain to a training chain, 0 to 1), ``pair_identity`` (see
        `ppi.prediction.novelty.NearestComplex`), and the pKd of each of
        `ppi.evaluation.baselines.SEQUENCE_BASELINES`.

    Raises
    ------
    data_curation.errors.CurationError
        If MMseqs2 is absent or fails, or the folder cannot be written.
    """
    facts, path = folder / _FACTS, folder / ROWS_FILE
    if facts.exists() and read_json(facts, f"delete {folder}")["sha256"] == split.sha256:
        return read_rows(path)
    train = split.table.part("train")
    parts = {part: split.table.part(part) for part in PARTS}
    complexes = [item for part in parts.values() for item in part.complexes]
    chains = [{chain for item in items for chain in item.chains} for items in (complexes, train.complexes)]
    hits = similar_chains(*chains)
    rows = pd.concat([part_rows(part, table) for part, table in parts.items()], ignore_index=True)
    rows["identity"] = highest_identity(complexes, hits)
    rows["pair_identity"] = pair_identities(train.complexes, complexes)
    rows = rows.assign(**sequence_baselines(train, complexes, hits))
    with atomic_folder(folder) as temporary:
        rows.to_csv(temporary / ROWS_FILE, index=False)
        split.table.frame()[["id", "split"]].to_csv(temporary / _ASSIGNMENT_FILE, index=False)
        write_json(temporary / _FACTS, {"sha256": split.sha256, **split.counts()})
    return read_rows(path)


def part_rows(part: str, table: ComplexTable) -> pd.DataFrame:
    """Return ``id, part, measured, group`` of the complexes of one part."""
    return pd.DataFrame(
        {
            "id": [item.id for item in table.complexes],
            "part": part,
            "measured": table.measured_pkd(part),
            "group": table.targets(),
        }
    )


def read_rows(path: Path) -> pd.DataFrame:
    """Read a table of complexes exactly as it was written: names as text, numbers with all digits."""
    text: Any = {"id": str, "part": str, "group": str}
    rows = pd.read_csv(path, dtype=text, keep_default_na=False, float_precision="round_trip")
    numbers = [name for name in rows if name not in text]
    return rows.astype(dict.fromkeys(numbers, np.float64))


def _argument(given: str, whole: ComplexTable, folder: Path) -> str:
    """Return the split with its path relative to the folder; ``:K`` of a fold is kept."""
    path, fold = split_and_fold(given)
    return given if path in whole.columns else os.path.relpath(path, folder) + (f":{fold}" if fold else "")
