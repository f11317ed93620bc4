"""`ppi curate`."""

from __future__ import annotations

from pathlib import Path


def curate(*, sequences: Path, output: Path, minimum_chain_length: int = 40) -> None:
    """Clean, combine and split the rows of PPB-Affinity; print how many rows each rule left.

        ppi curate --sequences ppb_affinity_sequences.csv.gz --output curated

    Parameters
    ----------
    sequences
        CSV (may be gzip) with the columns of the PPB-Affinity workbook, `row`, `ligand_sequences` and
        `receptor_sequences`.
    output
        Folder for complexes.parquet, funnel.csv, touched_rows.csv and manifest.json.
    minimum_chain_length
        Rows with a shorter chain are dropped; 40 is the published value.
    """
    from data_curation.pipeline import curate as run

    dataset = run(sequences, output, minimum_chain_length=minimum_chain_length)
    print(dataset.funnel.to_string(index=False, na_rep="-"))
    print(f"written to {output}")
