"""Split protocols by name, on a table of complexes."""

from __future__ import annotations

import os

import pandas as pd

from data_curation.errors import AssignmentError
from data_curation.files import atomic_file, check_writable_file
from data_curation.records import Protocol, Sides
from data_curation.splits.assignment import balance_features, check_seed
from data_curation.splits.reference import reference_split
from data_curation.splits.strict import ReceptorSimilarity, Similarity, strict_folds, strict_split


def sides_of(table: pd.DataFrame) -> list[Sides]:
    """Return the properties of complexes that determine a split. The `table` has ``id, ligand, receptor``
    (chains joined by ``:``) and optionally ``pdb``; a complex without one counts as a separate entry.

    Raises
    ------
    AssignmentError
        If a column is missing or an id occurs twice.
    """
    missing = [name for name in ("id", "ligand", "receptor") if name not in table]
    if missing:
        raise AssignmentError(
            f"the table has no column {', '.join(missing)}; it has {', '.join(map(str, table))}"
        )
    twice = table["id"][table["id"].duplicated()]
    if len(twice):
        raise AssignmentError(f"id {twice.iloc[0]!r} occurs twice; every complex needs an id of its own")
    entries = table["pdb"].fillna(table["id"]) if "pdb" in table else table["id"]
    return [
        Sides(str(name), str(entry), tuple(ligand.split(":")), tuple(receptor.split(":")))
        for name, entry, ligand, receptor in zip(
            table["id"], entries, table.ligand, table.receptor, strict=True
        )
    ]


def make_split(
    table: pd.DataFrame,
    *,
    protocol: Protocol = "strict",
    ratios: tuple[float, float, float] = (0.8, 0.1, 0.1),
    folds: int = 5,
    seed: int = 0,
    min_identity: float = 0.3,
    coverage: float = 0.8,
) -> pd.DataFrame:
    """Assign the complexes of a table by one of the protocols.

    Parameters
    ----------
    table
        Table with the columns ``id, ligand, receptor`` and optionally ``pdb``, ``source`` and ``pkd``.
    protocol
        ``reference`` (the published procedure: three quarters train, the rest alternates between test and
        validation), ``strict``, ``kfold`` or ``cold-target``.
    ratios
        Fractions of train, validation and test for ``strict`` and ``cold-target``.
    folds
        Number of folds for ``kfold``.
    seed
        Seed for the order of groups of equal size.
    min_identity, coverage
        Minimum identity of similar chains, and minimum fraction of the shorter chain that the alignment
        covers.

    Returns
    -------
    DataFrame
        ``id, split``, in the order of `table`; for ``kfold`` the fold, -1 where a complex always trains.

    Raises
    ------
    AssignmentError
        If the table or an option is wrong.
    MMseqsError
        If MMseqs2 is absent or fails.
    """
    for name, value in (("min_identity", min_identity), ("coverage", coverage)):
        if not 0 < value <= 1:
            raise AssignmentError(f"{name} is {value:g}; give a number above 0, 1 at most")
    check_seed(seed)
    complexes = sides_of(table)
    sources = table["source"].astype(str).tolist() if "source" in table else [""] * len(table)
    pkd = table["pkd"].tolist() if "pkd" in table else [float("nan")] * len(table)
    vectors = balance_features(sources, pkd)
    features = {item.id: vector for item, vector in zip(complexes, vectors, strict=True)}
    similar = {"min_identity": min_identity, "coverage": coverage}
    assigned: dict[str, str] | dict[str, int]
    if protocol == "reference":
        assigned = reference_split(complexes, **similar).part
    elif protocol == "strict":
        assigned = strict_split(Similarity(complexes, **similar), features, ratios=ratios, seed=seed)
    elif protocol == "kfold":
        assigned = strict_folds(Similarity(complexes, **similar), features, folds=folds, seed=seed)
    else:
        assigned = strict_split(ReceptorSimilarity(complexes, **similar), features, ratios=ratios, seed=seed)
    return pd.DataFrame({"id": [c.id for c in complexes], "split": [assigned[c.id] for c in complexes]})


def write_split(table: pd.DataFrame, output: str | os.PathLike[str], **options: object) -> pd.Series:
    """Make a split and write it as CSV, ``id,split``; return the number of complexes in each part.

    Options and errors are those of `make_split`.
    """
    check_writable_file(output)
    split = make_split(table, **options)  # type: ignore[arg-type]
    with atomic_file(output) as path:
        split.to_csv(path, index=False)
    return split["split"].value_counts(sort=False).sort_index()
