"""`ppi audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from ppi.cli.groups import DATA, OUTPUT

#: What the columns of the printed table are.
_LEGEND = (
    "per cent of complexes; chain_30: with a chain 30 % or more identical to one of the other part;\n"
    "both_sides: with both sides similar to those of one of its complexes; strict_violation: not allowed by\n"
    "`ppi split --protocol strict`, which lets antibody chains recur"
)


def audit(
    data: Annotated[str, DATA] = "ppb-affinity",
    *,
    split: Annotated[str | None, DATA] = None,
    funnel: Annotated[Path | None, DATA] = None,
    output: Annotated[Path | None, OUTPUT] = None,
) -> None:
    """Measure what validation and test complexes share with training, and with each other.

    ```
    ppi audit
    ppi audit my_complexes.csv --split my_split.csv --output audit
    ```

    Prints, in per cent of complexes: exact and role-swapped duplicates, any chain at least 30, 50, 90 and
    100 % identical (over 80 % of the shorter chain), both sides similar to those of one complex, and
    violations of the strict rule.

    Parameters
    ----------
    data
        Table of complexes (columns id, ligand, receptor), or ppb-affinity, the bundled data set.
    split
        Column of the table, or CSV with the columns id and split (train, validation or test); by default
        the column split, else split_strict. For a column of folds, fold:0 tests on fold 0 and validates on
        the next.
    output
        Folder for audit.json (the fractions, overall and per source), audit.html (the same with plots, one
        file) and audit_rows.csv (each complex with its nearest neighbour).
    funnel
        Path of the funnel.csv of `ppi curate`, to show in audit.html; for ppb-affinity the bundled one.
    """
    from data_curation.audit.page import as_percentages
    from data_curation.audit.run import audit as run
    from ppi.datasets import SHIPPED_DATASET, dataset_path, default_split, open_dataset

    table = open_dataset(data)
    if funnel is None and data == SHIPPED_DATASET:
        funnel = dataset_path().with_name("funnel.csv")
    summary = run(table.frame(), default_split(table) if split is None else split, output, funnel)
    print(as_percentages(summary).to_string(index=False))
    print(_LEGEND)
    if output is not None:
        print(f"written to {output}")
