"""Files as people have them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_curation.errors import OutputError
from data_curation.files import atomic_file, atomic_folder
from ppi.errors import InputError
from ppi.io.fasta import read_side_pairs
from ppi.io.predictions import COLUMNS, dg_from_pkd, kd_from_pkd, write_predictions
from ppi.io.tables import read_complexes

SIDES = ">a|ligand\nMKV:LLW\n>a|receptor\nGGS\nTTY\n>b|receptor\nMMM\n>b|ligand\nWWY\n"


def fasta(tmp_path: Path, text: str | bytes, name: str = "in.fasta") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def sides(path: Path) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    return [(item.id, item.ligand, item.receptor) for item in read_complexes(path).complexes]


EXPECTED = [("a", ("MKV", "LLW"), ("GGSTTY",)), ("b", ("WWY",), ("MMM",))]


@pytest.mark.parametrize(
    "text",
    [
        SIDES,
        SIDES.replace("\n", "\r\n"),
        SIDES.replace("\n", "\r"),
        "\ufeff" + SIDES,
        SIDES.replace("\n>", "\n\n\n>"),
        SIDES.lower().replace("|ligand", "|LIGAND").replace(">a", "> a "),
        SIDES.replace(">a|ligand\nMKV:LLW\n", ">a|ligand|H\nMKV\n>a|ligand|L\nLLW*\n"),
        gzip.compress(SIDES.encode(), mtime=0),
    ],
    ids=["plain", "windows", "old mac", "bom", "blank lines", "lower", "chain by chain", "gzip"],
)
def test_fasta_forms(tmp_path: Path, text: str | bytes) -> None:
    assert sides(fasta(tmp_path, text)) == EXPECTED


def test_gzip_by_name_and_other_suffixes(tmp_path: Path) -> None:
    assert sides(fasta(tmp_path, gzip.compress(SIDES.encode()), "in.fa.gz")) == EXPECTED
    assert sides(fasta(tmp_path, SIDES, "in.FAA")) == EXPECTED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty; accepted forms"),
        (" \n", "the file is empty"),
        ("MKV\n", "line 1: this is before any header"),
        (">a\nMKV\n", "line 1, record '>a': the header has another form; accepted forms"),
        (">a|antigen\nMKV\n", "'antigen' is neither 'ligand' nor 'receptor'"),
        (">|ligand\nMKV\n", "another form"),
        (">a|ligand|H|1\nMKV\n", "another form"),
        (">a|ligand\nMKV\n", "line 1: complex 'a' has a ligand but no receptor"),
        (">a|receptor\nMKV\n", "complex 'a' has a receptor but no ligand"),
        (">a|ligand\nMKV\n>a|ligand\nMKW\n", "line 3, .*twice with different sequences"),
        (">a|ligand\nMKV\n>a|ligand\nMKV\n", "line 3, .*given twice"),
        (">a|ligand\nMKV\n>a|ligand|H\nMKW\n", "both as one record and chain by chain"),
        (">a|ligand|H\nMKV:MKV\n", "names one chain holds 2"),
        (">a|ligand\nAAA:\n>a|receptor\nMKV\n", "line 1, record '>a\\|ligand', chain 2 is empty"),
        (">a|ligand\nMKV\n>a|receptor\nMK1V\n", "line 3, record .*chain 1, position 3: '1'"),
        (b"\xff\xfe\x00", "not a text file"),
        (gzip.compress(b"x" * 999, mtime=0)[:20], "broken gzip"),
    ],
)
def test_wrong_fasta_says_where(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        read_complexes(fasta(tmp_path, text))
    assert "in.fasta" in str(error.value)


def test_wrong_paths(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder"):
        read_complexes(tmp_path)
    (tmp_path / "x.fasta").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        read_complexes(tmp_path / "x.fasta")
    with pytest.raises(InputError, match="no such file"):
        read_complexes(tmp_path / "absent.csv")
    with pytest.raises(InputError, match=r"unknown suffix '\.txt'\. Files with these"):
        read_complexes(fasta(tmp_path, SIDES, "in.txt"))


def test_side_files_are_paired_by_order(tmp_path: Path) -> None:
    ligands = fasta(tmp_path, ">x first\nMKV:LLW\n>y\nGGS\n", "l.fasta")
    receptors = fasta(tmp_path, ">x\nTTY\n>z\nMMM\n", "r.fasta")
    pairs = read_side_pairs(ligands, receptors)
    assert [(p.id, p.ligand, p.receptor) for p in pairs] == [
        ("x", ("MKV", "LLW"), ("TTY",)),
        ("y|z", ("GGS",), ("MMM",)),
    ]
    with_all = read_side_pairs(ligands, fasta(tmp_path, ">z\nTTY\n", "one.fasta"))
    assert [(p.id, p.receptor) for p in with_all] == [("x|z", ("TTY",)), ("y|z", ("TTY",))]
    with pytest.raises(InputError, match="2 records and .* has 3"):
        read_side_pairs(ligands, fasta(tmp_path, ">a\nT\n>b\nT\n>c\nT\n", "three.fasta"))
    with pytest.raises(InputError, match="'x' occurs twice"):
        twice = fasta(tmp_path, ">x\nTTY\n>x\nTTY\n", "twice.fasta")
        read_side_pairs(twice, twice)


FRAME = pd.DataFrame(
    {
        "id": ["NA", "2"],
        "ligand": ["MKV:LLW", "MMM"],
        "receptor": ["GGS", "TTY,YYT"],
        "kd_molar": [1e-9, None],
        "split": ["train", "test"],
    }
)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".csv.gz"])
def test_tables(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"in{suffix}"
    if suffix == ".parquet":
        FRAME.to_parquet(path)
    else:
        FRAME.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    table = read_complexes(path)
    assert [item.id for item in table.complexes] == ["NA", "2"]
    assert table.complexes[1].receptor == ("TTY", "YYT")
    assert table.complexes[0].pkd == pytest.approx(9.0)
    assert table.complexes[1].pkd is None
    assert list(table.columns.columns) == ["split"]
    assert [item.id for item in table.part("test").complexes] == ["2"]
    with pytest.raises(InputError, match="no row has split 'validation'; there are test, train"):
        table.part("validation")


def test_published_columns(tmp_path: Path) -> None:
    path = fasta(tmp_path, 'Ligand Sequences,Receptor Sequences,KD(M)\n"MKV,LLW",GGS,1e-6\n', "in.csv")
    item = read_complexes(path).complexes[0]
    assert (item.id, item.ligand, item.pkd) == ("row1", ("MKV", "LLW"), pytest.approx(6.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty; accepted columns"),
        ("id,ligand\na,MKV\n", "no column receptor; accepted columns"),
        ("id,ligand,receptor\n", "the table has no rows"),
        ("id,ligand,receptor\na,MKV,\n", "row 1, id 'a': the receptor is missing"),
        ("id,ligand,receptor\n,MKV,MKV\n", "row 1.*the id of a complex is ''"),
        ("id,ligand,receptor\na,MKV,MKV\nb,MK?V,MKV\n", "row 2, id 'b'.*position 3: '\\?'"),
        ("id,ligand,receptor\na,MKV,MKV\na,MKW,MKV\n", "row 2: the id 'a' is already that of row 1; give"),
        (
            "id,ligand,receptor\na,MKV,MKV\nb,MKW,MKV\na,MKV,MKV\nb,MKW,MKV\na,MKV,MKV\n",
            r"the id 'a' is already that of row 1, and 2 more repeat an id: row 4 'b' \(row 2\), row 5 'a'",
        ),
        ("id,ligand,receptor,kd_molar\na,MKV,MKV,0\n", "kd_molar is 0; a Kd in mol/L is a number above zero"),
        ("id,ligand,receptor,kd_molar\na,MKV,MKV,50\n", "kd_molar is 50; .* at most 1"),
        ("id,ligand,receptor,pkd\na,MKV,MKV,high\n", "pkd is 'high'; give a finite number"),
        ("id,ligand,receptor\na,MKV,MKV\nb,c,d,e,f\n", "row 2: it has 5 cells"),
        ("id,ligand,receptor\na,MKV,MKV,LLW\n", "row 1: it has 4 cells, but the header has 3"),
    ],
)
def test_wrong_table_says_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_complexes(fasta(tmp_path, text, "in.csv"))


def test_peptides_that_look_like_numbers_are_sequences(tmp_path: Path) -> None:
    table = read_complexes(fasta(tmp_path, "id,ligand,receptor\na,INF,NAN\n", "in.csv"))
    assert (table.complexes[0].ligand, table.complexes[0].receptor) == (("INF",), ("NAN",))


def test_a_complex_is_drawn_with_its_cluster_else_its_entry(tmp_path: Path) -> None:
    text = (
        "id,ligand,receptor,pdb,cluster\na,M,K,1ABC,x\nb,M,K,1ABC,\nc,M,K,1ABC,\nd,M,K,,x\ne,M,K,,\nf,M,K,,\n"
    )
    groups = read_complexes(fasta(tmp_path, text, "in.csv")).targets()
    assert [list(groups).index(name) for name in groups] == [0, 1, 1, 0, 4, 5]


def test_a_text_file_called_parquet(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not a \.parquet file"):
        read_complexes(fasta(tmp_path, "id\n", "in.parquet"))


def test_units() -> None:
    pkd = pd.Series([9.0])
    assert kd_from_pkd(pkd)[0] == pytest.approx(1e-9)
    assert dg_from_pkd(pkd)[0] == pytest.approx(-12.278, abs=1e-3)  # 1 nM at 298.15 K
    assert dg_from_pkd(pkd, 310.15)[0] == pytest.approx(-12.278 * 310.15 / 298.15, abs=1e-3)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".json"])
def test_predictions_are_read_back(tmp_path: Path, suffix: str) -> None:
    table = pd.DataFrame({name: [1.5, 2.5] for name in COLUMNS})
    table["id"] = ["a", "b"]
    table["kd_molar"] = [3.2e-9, 1e-14]
    table["pkd_std"] = [0.5, None]
    path = tmp_path / f"out{suffix}"
    write_predictions(table, path)
    readers = {
        ".csv": pd.read_csv,
        ".tsv": lambda p: pd.read_csv(p, sep="\t"),
        ".parquet": pd.read_parquet,
        ".json": pd.read_json,
    }
    pd.testing.assert_frame_equal(readers[suffix](path), table)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "half").write_text("half")
        raise RuntimeError
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.csv"]


def test_a_folder_is_refreshed_and_keeps_what_else_it_holds(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with atomic_folder(tmp_path / "folder") as temporary:
            (temporary / "mine").write_text(text)
        (tmp_path / "folder" / "other").write_text("kept")
    assert {p.name: p.read_text() for p in (tmp_path / "folder").iterdir()} == {
        "mine": "new",
        "other": "kept",
    }


def test_a_workbook_holds_the_table_and_no_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({"id": ["=1+1", "b"], "pkd": [7.25, np.nan], "truncated": [True, False]})
    write_predictions(table, tmp_path / "out.xlsx")
    # pandas reads the value that a formula has last had: none, if the text were one.
    pd.testing.assert_frame_equal(pd.read_excel(tmp_path / "out.xlsx"), table)
    monkeypatch.setattr("ppi.io.predictions._SHEET_ROWS", 2)
    with pytest.raises(InputError, match=r"holds 1 rows below its header, the table has 2; write \.csv"):
        write_predictions(table, tmp_path / "out.xlsx")


def test_output_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"), atomic_file(tmp_path):
        pass
    with pytest.raises(InputError, match=r"unknown suffix '\.docx'"):
        write_predictions(pd.DataFrame(), tmp_path / "out.docx")
    with pytest.raises(OutputError, match="cannot write"), atomic_file("/proc/nowhere/out.csv"):
        pass
