"""`ppi split`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from data_curation.records import VALIDATION, Protocol
from ppi.cli.groups import DATA, OUTPUT, RULES
from ppi.errors import PpiWarning
from ppi.plurals import counted

if TYPE_CHECKING:
    from ppi.io.tables import ComplexTable

#: Most repeated pairs that a warning names.
_NAMED = 5


def split(
    data: Annotated[str, DATA],
    *,
    output: Annotated[Path, OUTPUT],
    protocol: Annotated[Protocol, RULES] = "strict",
    ratios: Annotated[tuple[float, float, float], RULES] = (0.8, 0.1, 0.1),
    folds: Annotated[int, RULES] = 5,
    min_identity: Annotated[float, RULES] = 0.3,
    coverage: Annotated[float, RULES] = 0.8,
    seed: Annotated[int, RULES] = 0,
) -> None:
    """Assign complexes to training, validation and test, or to folds; write a CSV and print its SHA-256.

    ```
    ppi split my_complexes.csv --protocol strict --output split.csv
    ppi split ppb-affinity --protocol kfold --folds 5 --output folds.csv
    ```

    Parameters
    ----------
    data
        Table of complexes (columns id, ligand, receptor; pdb, source and pkd are used where present), or
        ppb-affinity, the bundled data set.
    output
        CSV with the columns id and split (train, validation, test; a fold number for kfold, where -1 always
        trains).
    protocol
        reference: the published procedure. strict: no similar chain (antibody chains excepted), nor
        both sides similar, across parts. kfold: strict folds. cold-target: no receptor family in two parts.
    ratios
        Fractions of train, validation and test (strict, cold-target).
    folds
        Number of folds (kfold).
    seed
        Seed for the order of groups of equal size.
    min_identity
        Minimum sequence identity of similar chains.
    coverage
        Minimum fraction of the shorter chain that the alignment must cover.
    """
    from data_curation.files import refuse_overwriting, sha256_of
    from data_curation.splits.protocols import write_split
    from ppi.datasets import open_dataset

    refuse_overwriting(output, [data])
    table = open_dataset(data)
    counts = write_split(
        table.frame(),
        output,
        protocol=protocol,
        ratios=ratios,
        folds=folds,
        seed=seed,
        min_identity=min_identity,
        coverage=coverage,
    )
    print(counts.to_string())
    print(f"written to {output}, sha256 {sha256_of(output)}")
    _warn_of_missing_pkd(table)
    _warn_of_repeated_pairs(table)
    if protocol in ("strict", "cold-target"):
        _warn_of_few_groups(table, output)


def _warn_of_missing_pkd(table: ComplexTable) -> None:
    """Warn of rows that `ppi train` would reject, if other rows have a pKd."""
    without = [item.id for item in table.complexes if item.pkd is None]
    if 0 < len(without) < len(table):
        warnings.warn(
            f"{len(without)} of {len(table)} complexes have no pKd, the first is {without[0]!r}; `ppi train` "
            "needs one for each, so remove these rows and split again",
            PpiWarning,
            stacklevel=2,
        )


def _warn_of_repeated_pairs(table: ComplexTable) -> None:
    """Warn of complexes whose two sides are those of an earlier one, in any order of sides and chains."""
    first: dict[tuple[tuple[str, ...], ...], str] = {}
    repeated = []
    for item in table.complexes:
        sides = tuple(sorted(tuple(sorted(side)) for side in (item.ligand, item.receptor)))
        if sides in first:
            repeated.append(f"{item.id!r} ({first[sides]!r})")
        first.setdefault(sides, item.id)
    if repeated:
        more = ", ..." if len(repeated) > _NAMED else ""
        warnings.warn(
            f"{len(repeated):,} of {len(table):,} complexes have the same sequences as an earlier one, on "
            f"both sides: {', '.join(repeated[:_NAMED])}{more}. Each counts in training and in scores; "
            "if they are repeats of one measurement, keep one of them, with the mean pKd",
            PpiWarning,
            stacklevel=2,
        )


def _warn_of_few_groups(table: ComplexTable, output: Path) -> None:
    """Warn if `ppi train` would reject the validation part, and suggest ratios that it would accept."""
    import numpy as np

    from ppi.datasets import split_dataset
    from ppi.datasets.ratios import ratios_for
    from ppi.models.calibration import needed_groups

    parts = split_dataset(table, output)
    targets = parts.rows(parts.columns["split"] == VALIDATION).targets()
    groups, needed = len(np.unique(targets)), needed_groups()
    if groups < needed:
        warnings.warn(
            f"the validation part has {counted(len(targets), 'complex')} of "
            f"{counted(groups, 'group')}, but `ppi train` needs "
            f"at least {needed} groups for its intervals; "
            f"{ratios_for(len(parts), len(targets), groups, needed)}",
            PpiWarning,
            stacklevel=2,
        )
