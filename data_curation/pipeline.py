"""All of the curation in order: read, clean, combine, split, write."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from data_curation.cleaning import Touched, clean, published_rules
from data_curation.clustering import mmseqs_version
from data_curation.deduplicate import CuratedComplex, deduplicate
from data_curation.errors import CurationError
from data_curation.files import atomic_folder, check_writable_folder, sha256_of
from data_curation.records import TEST, TRAIN, VALIDATION
from data_curation.sources import read_sequence_table
from data_curation.splitting import Split, reference_split

#: Row counts that the publication gives, arXiv 2505.20036.
PUBLISHED_WORKBOOK, PUBLISHED_DISTINCT = 12062, 8207
PUBLISHED_SPLIT = {TRAIN: 6485, VALIDATION: 965, TEST: 757}


@dataclass(frozen=True)
class CuratedDataset:
    """The result of a curation.

    Attributes
    ----------
    complexes
        One row a distinct complex (columns: see the data card).
    funnel
        Rows left after each step beside the published number: ``step, dropped, corrected, rows,
        published_rows``.
    touched
        Every workbook row that a rule dropped or corrected: ``row, rule, action, reason``.
    manifest
        Input hash, options, tool version and counts: what is needed to repeat the run.
    """

    complexes: pd.DataFrame
    funnel: pd.DataFrame
    touched: pd.DataFrame
    manifest: dict[str, object]


def curate(
    sequences: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    minimum_chain_length: int = 40,
) -> CuratedDataset:
    """Curate a table of measured complexes and split it by the reference protocol.

    Parameters
    ----------
    sequences
        Table that carries the sequences of PPB-Affinity rows (see
        `data_curation.sources.read_sequence_table`).
    output
        Folder for ``complexes.parquet``, ``funnel.csv``, ``touched_rows.csv`` and ``manifest.json``;
        nothing is written if it is None, or if any step fails.
    minimum_chain_length
        Rows with a shorter chain are dropped. 40 is the published value.

    Raises
    ------
    CurationError
        If the input is wrong, nothing is left of it, or the output cannot be written.
    """
    if minimum_chain_length < 1:
        raise CurationError(f"minimum chain length is {minimum_chain_length}, at least 1 was expected")
    if output is not None:
        check_writable_folder(output)
    records = read_sequence_table(sequences)
    rules = published_rules(minimum_chain_length)
    kept, touched, rows_after = clean(records, rules)
    if not kept:
        raise CurationError(f"{sequences}: no row is left after the cleaning rules")
    distinct = deduplicate(kept)
    split = reference_split([c.sides for c in distinct])

    actions = Counter((item.rule, item.action) for item in touched)
    steps: list[tuple[str, int, int, int, int | None]] = [
        ("rows_read", 0, 0, len(records), PUBLISHED_WORKBOOK)
    ]
    for rule, rows in rows_after:
        counts = (actions[rule.name, "dropped"], actions[rule.name, "corrected"])
        steps.append((rule.name, *counts, rows, rule.published_rows))
    comparable = minimum_chain_length == 40
    steps.append(
        (
            "deduplicate",
            len(kept) - len(distinct),
            0,
            len(distinct),
            PUBLISHED_DISTINCT if comparable else None,
        )
    )
    sizes = Counter(split.part.values())
    for part, published in PUBLISHED_SPLIT.items():
        steps.append((f"split_{part}", 0, 0, sizes[part], published if comparable else None))

    funnel = pd.DataFrame(steps, columns=["step", "dropped", "corrected", "rows", "published_rows"])
    funnel["published_rows"] = funnel["published_rows"].astype("Int64")
    dataset = CuratedDataset(
        complexes=_table(distinct, split),
        funnel=funnel,
        touched=pd.DataFrame(touched, columns=list(Touched._fields)),
        manifest={
            "input_sha256": sha256_of(sequences),
            "minimum_chain_length": minimum_chain_length,
            "split_protocol": "reference",
            "mmseqs_version": mmseqs_version(),
            "clusters": len(set(split.cluster.values())),
            "search_rounds": split.rounds,
            "rows": len(distinct),
            "split": {part: sizes[part] for part in PUBLISHED_SPLIT},
        },
    )
    if output is not None:
        _write(dataset, output)
    return dataset


def _table(distinct: list[CuratedComplex], split: Split) -> pd.DataFrame:
    rows = []
    for item in distinct:
        record = item.record
        rows.append(
            {
                "id": item.id,
                "ligand": ":".join(record.ligand),
                "receptor": ":".join(record.receptor),
                "pkd": item.pkd,
                "pkd_sd": item.pkd_sd,
                "n_replicates": item.n_replicates,
                "split": split.part[item.id],
                "cluster": split.cluster[item.id],
                "source": record.source,
                "method": record.method,
                "temperature_kelvin": record.temperature_kelvin,
                "pdb": record.pdb,
                "mutations": ",".join(record.mutations),
                "ligand_chains": ",".join(record.ligand_chains),
                "receptor_chains": ",".join(record.receptor_chains),
                "ligand_name": record.ligand_name,
                "receptor_name": record.receptor_name,
                "affinity_pubmed_id": record.affinity_pubmed_id,
                "sequence_source": record.sequence_source,
                "chain_confidence": record.chain_confidence,
                "workbook_rows": ",".join(map(str, item.rows)),
            }
        )
    table = pd.DataFrame(rows)
    return table.astype({"pkd_sd": "float64", "temperature_kelvin": "float64", "n_replicates": "int32"})


def _write(dataset: CuratedDataset, output: str | os.PathLike[str]) -> None:
    with atomic_folder(output) as folder:
        path = folder / "complexes.parquet"
        dataset.complexes.to_parquet(path, compression="zstd", compression_level=19, index=False)
        dataset.funnel.to_csv(folder / "funnel.csv", index=False)
        dataset.touched.to_csv(folder / "touched_rows.csv", index=False)
        manifest = dataset.manifest | {"complexes_sha256": sha256_of(path)}
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
