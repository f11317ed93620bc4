"""`ppi curate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from data_curation.records import Combination
from ppi.cli.groups import DATA, OUTPUT, RULES


def curate(
    *,
    workbook: Annotated[Path | None, DATA] = None,
    sequences: Annotated[Path | None, DATA] = None,
    structures: Annotated[Path | None, DATA] = None,
    skempi: Annotated[Path | None, DATA] = None,
    output: Annotated[Path, OUTPUT],
    protocol: Annotated[Combination, RULES] = "canonical",
    minimum_chain_length: Annotated[int, RULES] = 1,
    allow_missing: Annotated[bool, RULES] = False,
    seed: Annotated[int, RULES] = 0,
) -> None:
    """Clean, combine and split the rows of PPB-Affinity; print how many rows each rule left.

    ```
    ppi curate --workbook PPB-Affinity.xlsx --structures PDB --skempi skempi_v2.csv --output curated
    ppi curate --workbook PPB-Affinity.xlsx --sequences sequences.csv.gz --allow-missing --output curated
    ppi curate --sequences filtered.csv --protocol reference --minimum-chain-length 40 --output published
    ```

    Give the workbook, or a table of sequences that also has the measurements. The sequences of a row are read
    from its structure if there is one, else from the table.

    Parameters
    ----------
    output
        Folder for complexes.parquet, funnel.csv, touched_rows.csv, manifest.json and a CSV for each split.
    workbook
        Path of the published PPB-Affinity.xlsx.
    sequences
        CSV (may be gzip) with the columns of the workbook, `row`, `ligand_sequences` and
        `receptor_sequences`; or the published filtered.csv.
    structures
        Folder of structure files, SOURCE/ENTRY.pdb or PDB/SOURCE/ENTRY.pdb (also .ent.pdb, .ent, .cif, and
        .gz).
    skempi
        Path of skempi_v2.csv, which marks values that are only bounds (column `censored`).
    protocol
        How measurements of one complex are combined. canonical: mean pKd, regardless of roles and chain
        order. reference: as published, mean Kd, with roles and chain order as in the table.
    minimum_chain_length
        Rows with a shorter chain are dropped; 40 is the published value.
    allow_missing
        Drop and count rows that have neither a structure nor sequences, instead of stopping with an error.
    seed
        Seed of the strict splits, for the order of groups of equal size.
    """
    from data_curation.pipeline import Inputs, Options
    from data_curation.pipeline import curate as run

    dataset = run(
        Inputs(workbook, sequences, structures, skempi),
        output,
        Options(protocol, minimum_chain_length, allow_missing, seed),
    )
    print(dataset.funnel.to_string(index=False, na_rep="-"))
    print(f"written to {output}")
