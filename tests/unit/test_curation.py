"""The whole curation on real rows of the workbook: what goes in, what is written, what is refused."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_structures import write_structure

from data_curation import pipeline
from data_curation.errors import CurationError, MMseqsError, OutputError, SourceError
from data_curation.files import sha256_of
from data_curation.pipeline import CuratedDataset, Inputs, Options, curate
from data_curation.processors import available_processors
from data_curation.sources.sequences import Structures
from data_curation.sources.tables import read_sequence_table
from data_curation.splits import clustering
from data_curation.splits.clustering import search
from data_curation.splits.strict import ALWAYS_TRAIN
from data_curation.structures import chains

pytestmark = pytest.mark.usefixtures("every_pair_aligned")

ROWS = Path(__file__).resolve().parent.parent / "data" / "measured_rows.csv.gz"
MISSING = Options(allow_missing=True)
FILES = {
    "complexes.parquet",
    "funnel.csv",
    "touched_rows.csv",
    "manifest.json",
    "split_reference.csv",
    "split_strict.csv",
    "fold.csv",
}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """The rows as a table of sequences numbers those of a workbook that holds them alone."""
    table = pd.read_csv(ROWS, dtype=str, keep_default_na=False)
    return table.sort_values("row", key=lambda column: column.astype(int)).assign(row=range(len(table)))


@pytest.fixture(scope="module")
def workbook(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("workbook") / "workbook.xlsx"
    rows.drop(columns=["row", "ligand_sequences", "receptor_sequences"]).to_excel(path, index=False)
    return path


@pytest.fixture(scope="module")
def inputs(rows: pd.DataFrame, workbook: Path, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """A workbook, the sequences of its rows, and one structure, which lacks the last residue of chain B."""
    folder = tmp_path_factory.mktemp("inputs")
    first = rows.iloc[0]
    chains = {"A": first["ligand_sequences"], "B": first["receptor_sequences"][:-1]}
    write_structure(folder, first["Source Data Set"], first["PDB"], chains)
    return Inputs(workbook, written(folder, rows), folder)


@pytest.fixture(scope="module")
def curated(
    inputs: Inputs,
    tmp_path_factory: pytest.TempPathFactory,
    every_pair_aligned: Callable[[str, Path], None],
) -> tuple[CuratedDataset, Path]:
    folder = tmp_path_factory.mktemp("curated") / "one"
    return curate(inputs, folder, MISSING), folder


def written(folder: Path, rows: pd.DataFrame) -> Path:
    path = folder / "rows.csv"
    rows.to_csv(path, index=False)
    return path


def test_reader_keeps_sides_labels_and_provenance() -> None:
    records = read_sequence_table(ROWS)
    first = records[0]
    assert (first.row, first.pdb, first.method) == (0, "1A22", "SPR")
    assert first.pkd == pytest.approx(-math.log10(9e-10))
    assert len(first.ligand) == 1
    assert first.ligand[0].startswith("FPTIPLSRLF")
    assert first.sequence_source.startswith("table:")
    assert [item.row for item in records] == sorted(item.row for item in records)


def test_every_row_is_accounted_for(curated: tuple[CuratedDataset, Path]) -> None:
    dataset, _ = curated
    rows = dataset.funnel.set_index("step")["rows"]
    dropped = dataset.touched[dataset.touched["action"] == "dropped"]
    kept = [int(row) for text in dataset.complexes["workbook_rows"] for row in text.split(",")]
    assert sorted([*kept, *dropped["row"]]) == list(range(rows["rows_read"]))
    assert rows["deduplicate"] == len(dataset.complexes) == rows.filter(like="split_strict").sum()
    assert set(dropped["rule"]) == {"absent_chain", "unknown_sequence"}
    assert dataset.funnel.set_index("step")["dropped"]["absent_chain"] == 2  # 1DEE and 6B0G: empty names
    assert dataset.complexes["id"].is_unique


@pytest.mark.slow
def test_the_files_are_equal_byte_for_byte_whatever_the_threads(
    inputs: Inputs, curated: tuple[CuratedDataset, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processors = 2 if available_processors() == 1 else 1
    for module in (clustering, chains):
        monkeypatch.setattr(module, "available_processors", lambda: processors)
    curate(inputs, tmp_path / "two", MISSING)
    assert {path.name for path in (tmp_path / "two").iterdir()} == FILES
    for name in FILES:
        assert (tmp_path / "two" / name).read_bytes() == (curated[1] / name).read_bytes(), name


@pytest.mark.slow
def test_the_index_of_mmseqs_misses_nothing_here(
    inputs: Inputs,
    curated: tuple[CuratedDataset, Path],
    every_pair_aligned: Callable[[str, Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other tests align every pair; users do not."""
    monkeypatch.setattr(clustering, "_mmseqs", every_pair_aligned)
    indexed = curate(inputs, options=MISSING).complexes
    pd.testing.assert_frame_equal(indexed, curated[0].complexes)


def test_the_manifest_says_what_repeats_the_run(inputs: Inputs, curated: tuple[CuratedDataset, Path]) -> None:
    dataset, folder = curated
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["rows"] == len(dataset.complexes)
    assert set(manifest["inputs_sha256"]) == {"workbook", "sequences", "structures"}
    assert manifest["inputs_sha256"]["sequences"] == sha256_of(str(inputs.sequences))
    assert manifest["structures"] == 1
    assert manifest["options"] == {
        "protocol": "canonical",
        "minimum_chain_length": 1,
        "allow_missing": True,
        "seed": 0,
    }
    assert manifest["mmseqs_version"] == clustering.mmseqs_version()
    assert set(manifest["outputs_sha256"]) == FILES - {"manifest.json", "funnel.csv", "touched_rows.csv"}
    for name, sha256 in manifest["outputs_sha256"].items():
        assert sha256_of(folder / name) == sha256


def test_splits_are_columns_and_files(curated: tuple[CuratedDataset, Path]) -> None:
    dataset, folder = curated
    complexes = dataset.complexes
    for column in ("split_reference", "split_strict", "fold"):
        split = pd.read_csv(folder / f"{column}.csv").set_index("id")["split"]
        pd.testing.assert_series_equal(
            split, complexes.set_index("id")[column].dropna(), check_names=False, check_dtype=False
        )
        assert (complexes.groupby("pdb")[column].nunique() <= 1).all()
    assert set(complexes["fold"]) == {ALWAYS_TRAIN, 0, 1, 2, 3, 4}
    shortest = [min(map(len, f"{row.ligand}:{row.receptor}".split(":"))) for row in complexes.itertuples()]
    assert [bool(text) for text in complexes["split_reference"].notna()] == [n >= 40 for n in shortest]


def test_the_reference_split_leaves_no_hit_of_its_own_search(curated: tuple[CuratedDataset, Path]) -> None:
    complexes = curated[0].complexes.dropna(subset=["split_reference"])
    joined = {row.id: (row.ligand + row.receptor).replace(":", "") for row in complexes.itertuples()}
    train = set(complexes.loc[complexes["split_reference"] == "train", "id"])
    hits = search(
        {name: joined[name] for name in train},
        {name: joined[name] for name in joined if name not in train},
        min_identity=0.3,
        mutual_coverage=0.8,
    )
    assert hits.empty


def test_sources_mix_and_each_row_says_which(
    rows: pd.DataFrame, curated: tuple[CuratedDataset, Path]
) -> None:
    complexes = curated[0].complexes.set_index("workbook_rows")
    assert complexes.loc["0", "receptor"] == rows.loc[0, "receptor_sequences"][:-1]
    from_structure = complexes["sequence_source"] == "structure"
    assert set(complexes["pdb"][from_structure]) == {"1A22"}
    assert set(complexes["pdb"][~from_structure]).isdisjoint({"1A22"})
    others = complexes[~from_structure & ~complexes.index.str.contains(",")]
    assert others["sequence_source"].str.startswith("table:").all()
    known = rows["receptor_sequences"].str.replace(",", ":")
    assert list(others["receptor"]) == [known[int(row)] for row in others.index]


def test_a_folder_that_lacks_files_stops_the_run_or_is_counted(
    rows: pd.DataFrame, workbook: Path, tmp_path: Path
) -> None:
    sequences = {"A": "ACDEFGHIKLMNPQRSTVWY", "B": "YWVTSRQPNMLKIHGFEDCA", "C": "KLMNPQRSTVWYACDEFGHI"}
    entries = rows.drop_duplicates(["Source Data Set", "PDB"])
    there = set()
    for number, row in enumerate(entries.itertuples(index=False)):
        if number % 2 == 0:
            write_structure(tmp_path, row[1], row.PDB, sequences)
            there.add((row[1], row.PDB))
    with pytest.raises(CurationError, match=r"\d+ of \d+ rows have neither a structure nor sequences: row "):
        curate(Inputs(workbook, structures=tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    dataset = curate(Inputs(workbook, structures=tmp_path), options=MISSING)
    missing = dataset.touched[dataset.touched["rule"] == "unknown_sequence"]
    unnamed = rows["Ligand Chains"].str.startswith(",") | rows["Receptor Chains"].str.startswith(",")
    known = [pair in there for pair in zip(rows["Source Data Set"], rows["PDB"], strict=True)]
    assert len(missing) == (~unnamed & ~pd.Series(known, index=rows.index)).sum()
    with pytest.raises(SourceError, match="no such folder"):
        curate(Inputs(workbook, structures=tmp_path / "absent"))


def test_structures_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    records = [replace(item, source="S", pdb="1A22") for item in read_sequence_table(ROWS)[:1]]
    hashes = set()
    for chain in ("ACDE", "ACDF", "ACDE"):
        write_structure(tmp_path, "S", "1A22", {"A": chain})
        hashes.add(Structures.read(records, tmp_path).sha256)
    assert len(hashes) == 2


def test_a_table_of_another_version_is_refused(rows: pd.DataFrame, workbook: Path, tmp_path: Path) -> None:
    table = rows.assign(**{"KD(M)": ["1e-3", *rows["KD(M)"][1:]]})
    with pytest.raises(
        SourceError, match=r"workbook row 0: kd_molar is .* in the workbook, 0.001 in the table"
    ):
        curate(Inputs(workbook, written(tmp_path, table)), options=MISSING)


def test_the_published_filtered_table_is_enough(rows: pd.DataFrame, tmp_path: Path) -> None:
    names = {"ligand_sequences": "Ligand Sequences", "receptor_sequences": "Receptor Sequences"}
    filtered = rows[rows["ligand_sequences"] != ""].rename(columns=names)
    columns = ["PDB", "Ligand Chains", "Receptor Chains", "KD(M)", *names.values()]
    path = written(tmp_path, filtered[columns].assign(split="train"))
    records = read_sequence_table(path)
    assert [item.row for item in records] == list(range(len(filtered)))
    assert {(item.method, item.source, item.sequence_source) for item in records} == {
        ("Unknown", "", "table:filtered")
    }
    assert [item.ligand for item in records] == [
        tuple(part.strip() for part in text.split(",")) for text in filtered["Ligand Sequences"]
    ]
    without = written(tmp_path, filtered[columns].drop(columns="Receptor Sequences"))
    with pytest.raises(SourceError, match=r"missing column\(s\) Receptor Sequences"):
        read_sequence_table(without)


@pytest.mark.parametrize("value", ["0", "-1e-9", "strong", "inf", "", "5 nM", "35.2"])
def test_impossible_kd_names_the_line(rows: pd.DataFrame, tmp_path: Path, value: str) -> None:
    table = rows.assign(**{"KD(M)": [*rows["KD(M)"][:3], value, *rows["KD(M)"][4:]]})
    with pytest.raises(SourceError, match=r"rows\.csv, line 5: KD\(M\) is .*above 0, 1 mol/L at most"):
        curate(Inputs(sequences=written(tmp_path, table)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unfit_tables(rows: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="row 0 occurs twice"):
        curate(Inputs(sequences=written(tmp_path, rows.assign(row=[0, 0, *range(2, len(rows))]))))
    path = tmp_path / "rows.csv"
    path.write_text("row,PDB\n1,1ABC\n")
    with pytest.raises(SourceError, match=r"missing column\(s\) Source Data Set, .*; it has row, PDB"):
        curate(Inputs(sequences=path))
    path.write_text("")
    with pytest.raises(SourceError, match="not a readable CSV"):
        curate(Inputs(sequences=path))
    with pytest.raises(SourceError, match="no such file"):
        curate(Inputs(sequences=tmp_path / "absent.csv"))
    broken = tmp_path / "rows.csv.gz"
    broken.write_bytes(gzip.compress(b"row,PDB\n" * 99)[:30])
    with pytest.raises(SourceError, match="not a readable CSV"):
        curate(Inputs(sequences=broken))


def test_nothing_given_nothing_left_and_impossible_length() -> None:
    with pytest.raises(CurationError, match="neither a workbook nor a table"):
        curate(Inputs())
    with pytest.raises(CurationError, match="no row is left"):
        curate(Inputs(sequences=ROWS), options=replace(MISSING, minimum_chain_length=9999))
    with pytest.raises(CurationError, match="give 1 or more"):
        curate(Inputs(sequences=ROWS), options=Options(minimum_chain_length=0))


def test_output_that_is_a_file_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="is a file"):
        curate(Inputs(sequences=tmp_path / "never read"), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_failed_run_leaves_what_was_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(clustering, "mmseqs_path", lambda: "/bin/false")
    clustering.mmseqs_version.cache_clear()
    with pytest.raises(MMseqsError, match="failed"):
        curate(Inputs(sequences=ROWS), tmp_path / "out", MISSING)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_leaves_the_former_data_set(
    curated: tuple[CuratedDataset, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "complexes.parquet").write_text("former")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("data_curation.pipeline.sha256_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        pipeline._write(curated[0], folder)
    assert [path.name for path in folder.iterdir()] == ["complexes.parquet"]
    assert (folder / "complexes.parquet").read_text() == "former"
