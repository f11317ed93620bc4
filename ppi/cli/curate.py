"""`ppi curate`."""

from __future__ import annotations

from pathlib import Path

from data_curation.records import Combination


def curate(
    *,
    output: Path,
    workbook: Path | None = None,
    sequences: Path | None = None,
    structures: Path | None = None,
    skempi: Path | None = None,
    protocol: Combination = "canonical",
    minimum_chain_length: int = 1,
    allow_missing: bool = False,
    seed: int = 0,
) -> None:
    """Clean, combine and split the rows of PPB-Affinity; print how many rows each rule left.

    ```
    ppi curate --workbook PPB-Affinity.xlsx --structures PDB --skempi skempi_v2.csv --output curated
    ppi curate --workbook PPB-Affinity.xlsx --sequences sequences.csv.gz --allow-missing --output curated
    ppi curate --sequences filtered.csv --protocol reference --minimum-chain-length 40 --output published
    ```

    Needs the workbook, which says what was measured, or a table of sequences that says so too. A row takes
    its sequences from its structure if that is there, else from the table.

    Parameters
    ----------
    output
        Folder for complexes.parquet, funnel.csv, touched_rows.csv, manifest.json and a CSV for each split.
    workbook
        PPB-Affinity.xlsx as published.
    sequences
        CSV (may be gzip) with the columns of the workbook, `row`, `ligand_sequences` and
        `receptor_sequences`; or the published filtered.csv.
    structures
        Folder of structure files, SOURCE/ENTRY.pdb or PDB/SOURCE/ENTRY.pdb (also .ent.pdb, .ent, .cif, and
        .gz).
    skempi
        skempi_v2.csv: says what values are only bounds (column `censored`).
    protocol
        How measurements of one complex are combined. canonical: whatever the roles and the order of chains,
        mean pKd. reference: as published, in the order of the table, mean Kd.
    minimum_chain_length
        Rows with a shorter chain are dropped; 40 is the published value.
    allow_missing
        Drop and count rows that have neither a structure nor sequences, rather than to stop.
    seed
        Decides between groups of one size in the strict splits.
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
