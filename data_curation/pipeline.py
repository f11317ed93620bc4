"""The curation pipeline: read, clean, combine, split, write."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pandas as pd
import pyarrow

from data_curation.cleaning.deduplicate import CuratedComplex, deduplicate
from data_curation.cleaning.rules import unknown_sequence
from data_curation.cleaning.steps import ANNOTATION_STEPS, Step, Touched, clean, sequence_steps
from data_curation.errors import CurationError
from data_curation.files import atomic_folder, check_writable_folder, sha256_of
from data_curation.records import FUNNEL_COLUMNS, TEST, TRAIN, VALIDATION, BindingRecord, Combination
from data_curation.sources.censoring import censored_rows, read_skempi
from data_curation.sources.sequences import Structures, with_structure_sequences, with_table_sequences
from data_curation.sources.tables import read_sequence_table, read_workbook
from data_curation.splits.assignment import balance_features, check_seed
from data_curation.splits.clustering import cluster, mmseqs_version
from data_curation.splits.reference import reference_split
from data_curation.splits.strict import Similarity, strict_folds, strict_split

#: Row counts that the publication gives, arXiv 2505.20036.
PUBLISHED_WORKBOOK, PUBLISHED_DISTINCT = 12062, 8207
PUBLISHED_SPLIT = {TRAIN: 6485, VALIDATION: 965, TEST: 757}
#: The published split contains no shorter chains.
REFERENCE_CHAIN_LENGTH = 40
#: Columns of the table with the splits.
SPLIT_COLUMNS = ("split_reference", "split_strict", "fold")


@dataclass(frozen=True)
class Inputs:
    """Paths of the raw data; at least one of `workbook` and `sequences` is required.

    Attributes
    ----------
    workbook
        Path of the published PPB-Affinity workbook; without it the rows are those of `sequences`.
    sequences
        Path of a table with the sequences of rows; see `data_curation.sources.tables.read_sequence_table`.
    structures
        Folder of structure files, laid out as published; see
        `data_curation.structures.chains.find_structure`.
    skempi
        Path of the SKEMPI 2.0 table, which marks values that are only bounds.
    """

    workbook: str | os.PathLike[str] | None = None
    sequences: str | os.PathLike[str] | None = None
    structures: str | os.PathLike[str] | None = None
    skempi: str | os.PathLike[str] | None = None

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of each file by the name of its attribute."""
        files = {name: path for name, path in asdict(self).items() if name != "structures" and path}
        return {name: sha256_of(path) for name, path in files.items()}


@dataclass(frozen=True)
class Options:
    """The options of a curation.

    Attributes
    ----------
    protocol
        Rule for combining repeated measurements; see `data_curation.cleaning.deduplicate`.
    minimum_chain_length
        Rows with a shorter chain are dropped; the publication uses 40, which drops every peptide.
    allow_missing
        Drop and count rows without any sequence instead of raising an error.
    seed
        Seed of the strict splits, for the order of groups of equal size.
    """

    protocol: Combination = "canonical"
    minimum_chain_length: int = 1
    allow_missing: bool = False
    seed: int = 0


@dataclass(frozen=True)
class CuratedDataset:
    """The result of a curation.

    Attributes
    ----------
    complexes
        One row per distinct complex (the data card describes the columns).
    funnel
        Rows left after each step beside the published number: ``step, dropped, corrected, rows,
        published_rows``.
    touched
        Every workbook row that a rule dropped, corrected or noted: ``row, rule, action, reason``.
    manifest
        Input hashes, options, tool versions and counts, which are needed to repeat the run.
    """

    complexes: pd.DataFrame
    funnel: pd.DataFrame
    touched: pd.DataFrame
    manifest: dict[str, object]


def curate(
    inputs: Inputs, output: str | os.PathLike[str] | None = None, options: Options | None = None
) -> CuratedDataset:
    """Curate measured complexes, and split them by the reference and the strict protocol.

    Parameters
    ----------
    inputs
        Raw data. A row takes its sequences from its structure if that exists, else from the table.
    output
        Folder for ``complexes.parquet``, ``funnel.csv``, ``touched_rows.csv``, ``manifest.json`` and a CSV
        for each split; nothing is written if it is None, or if any step fails.
    options
        Options of the curation; by default those of `Options`.

    Raises
    ------
    CurationError
        If an input is wrong, a row has no sequences (but see `Options.allow_missing`), nothing is left, or
        the output cannot be written.
    """
    options = options or Options()
    if options.minimum_chain_length < 1:
        raise CurationError(f"the minimum chain length is {options.minimum_chain_length}; give 1 or more")
    check_seed(options.seed)
    if output is not None:
        check_writable_folder(output)
    records = _read(inputs)
    structures = Structures.read(records, inputs.structures) if inputs.structures else Structures({})
    censored = censored_rows(records, read_skempi(inputs.skempi)) if inputs.skempi else {}

    kept, touched, rows_after = clean(records, ANNOTATION_STEPS, structures)
    kept = with_structure_sequences(kept, structures)
    if not options.allow_missing:
        _require_sequences(kept, structures)
    kept, more, rows_after_more = clean(kept, sequence_steps(options.minimum_chain_length), structures)
    if not kept:
        raise CurationError("no row is left after the cleaning rules")
    distinct = deduplicate(kept, censored, options.protocol)
    table, notes = _split(_table(distinct), distinct, options)

    touched += more
    funnel = _funnel(len(records), rows_after + rows_after_more, touched, table, options)
    missing, recovered = structures.missing_residues()
    manifest: dict[str, object] = {
        "inputs_sha256": inputs.hashes() | {"structures": structures.sha256},
        "structures": len(structures),
        "missing_residues": missing,
        "missing_residues_recovered": recovered,
        "options": asdict(options),
        "mmseqs_version": mmseqs_version(),
        "pyarrow_version": pyarrow.__version__,
        **notes,
        "rows": len(table),
        "censored": int((table["censored"] != "").sum()),
        "conflicts": int(table["conflict"].sum()),
    }
    dataset = CuratedDataset(table, funnel, pd.DataFrame(touched, columns=list(Touched._fields)), manifest)
    if output is not None:
        _write(dataset, output)
    return dataset


def _read(inputs: Inputs) -> list[BindingRecord]:
    table = read_sequence_table(inputs.sequences) if inputs.sequences else []
    if not inputs.workbook:
        if not inputs.sequences:
            raise CurationError("there is neither a workbook nor a table of sequences; give one of them")
        return table
    return with_table_sequences(read_workbook(inputs.workbook), table)


def _require_sequences(records: Sequence[BindingRecord], structures: Structures) -> None:
    without = [finding.record for finding in unknown_sequence(records, structures)]
    if without:
        shown = ", ".join(f"row {r.row} ({r.source}, {r.pdb})" for r in without[:5])
        raise CurationError(
            f"{len(without)} of {len(records)} rows have neither a structure nor sequences: {shown}"
            f"{', ...' if len(without) > 5 else ''}; set allow_missing (--allow-missing) to drop and count "
            "them"
        )


def _split(
    table: pd.DataFrame, distinct: Sequence[CuratedComplex], options: Options
) -> tuple[pd.DataFrame, dict[str, object]]:
    """Add the columns of the splits, and ``cluster``."""
    complexes = [item.sides for item in distinct]
    vectors = balance_features(table["source"].tolist(), table["pkd"].tolist())
    features = {item.id: vector for item, vector in zip(complexes, vectors, strict=True)}
    comparable = [item for item in complexes if min(map(len, item.chains)) >= REFERENCE_CHAIN_LENGTH]
    reference = reference_split(comparable)
    similarity = Similarity(complexes)
    strict = strict_split(similarity, features, seed=options.seed)
    fold = strict_folds(similarity, features, seed=options.seed)
    clusters = cluster({item.id: "".join(item.chains) for item in complexes})
    table["split_reference"] = table["id"].map(reference.part)
    table["split_strict"] = table["id"].map(strict)
    table["fold"] = table["id"].map(fold).astype("int8")
    table["cluster"] = table["id"].map(clusters)
    notes: dict[str, object] = {
        "clusters": len(set(clusters.values())),
        "reference_search_rounds": reference.rounds,
    }
    return table, notes


def _table(distinct: Sequence[CuratedComplex]) -> pd.DataFrame:
    rows = [_row(item) for item in distinct]
    return pd.DataFrame(rows).astype(
        {"pkd_sd": "float64", "temperature_kelvin": "float64", "n_replicates": "int32"}
    )


def _row(item: CuratedComplex) -> dict[str, object]:
    record = item.record
    return {
        "id": item.id,
        "ligand": ":".join(record.ligand),
        "receptor": ":".join(record.receptor),
        "pkd": item.pkd,
        "pkd_sd": item.pkd_sd,
        "n_replicates": item.n_replicates,
        "conflict": item.conflict,
        "weight": item.weight,
        "censored": item.censored,
        "source": record.source,
        "method": record.method,
        "methods": ",".join(item.methods),
        "temperature_kelvin": record.temperature_kelvin,
        "pdb": record.pdb,
        "mutations": ",".join(record.mutations),
        "ligand_chains": ",".join(record.ligand_chains),
        "receptor_chains": ",".join(record.receptor_chains),
        "ligand_name": record.ligand_name,
        "receptor_name": record.receptor_name,
        "pubmed_ids": ",".join(item.pubmed_ids),
        "sequence_source": record.sequence_source,
        "chain_confidence": record.chain_confidence,
        "workbook_rows": ",".join(map(str, item.rows)),
    }


def _funnel(
    rows_read: int,
    rows_after: Sequence[tuple[Step, int]],
    touched: Sequence[Touched],
    table: pd.DataFrame,
    options: Options,
) -> pd.DataFrame:
    actions = Counter((item.rule, item.action) for item in touched)
    steps: list[tuple[str, int, int, int, int | None]] = [
        ("rows_read", 0, 0, rows_read, PUBLISHED_WORKBOOK),
        *(
            (
                step.name,
                actions[step.name, "dropped"],
                actions[step.name, "corrected"],
                rows,
                step.published_rows,
            )
            for step, rows in rows_after
        ),
    ]
    comparable = options.protocol == "reference" and options.minimum_chain_length == REFERENCE_CHAIN_LENGTH
    combined = steps[-1][3] - len(table)
    steps.append(("deduplicate", combined, 0, len(table), PUBLISHED_DISTINCT if comparable else None))
    for column in ("split_reference", "split_strict"):
        sizes = table[column].value_counts()
        for part, published in PUBLISHED_SPLIT.items():
            same = comparable and column == "split_reference"
            steps.append((f"{column}_{part}", 0, 0, int(sizes.get(part, 0)), published if same else None))
    funnel = pd.DataFrame(steps, columns=FUNNEL_COLUMNS)
    funnel["published_rows"] = funnel["published_rows"].astype("Int64")
    return funnel


def _write(dataset: CuratedDataset, output: str | os.PathLike[str]) -> None:
    table = dataset.complexes
    with atomic_folder(output) as folder:
        path = folder / "complexes.parquet"
        table.to_parquet(path, compression="zstd", compression_level=19, index=False)
        dataset.funnel.to_csv(folder / "funnel.csv", index=False)
        dataset.touched.to_csv(folder / "touched_rows.csv", index=False)
        hashes = {path.name: sha256_of(path)}
        for column in SPLIT_COLUMNS:
            split = folder / f"{column}.csv"
            table[["id", column]].dropna().rename(columns={column: "split"}).to_csv(split, index=False)
            hashes[split.name] = sha256_of(split)
        manifest = dataset.manifest | {"outputs_sha256": hashes}
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
