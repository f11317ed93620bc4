"""Complexes from whatever a user has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ppi
from ppi.complexes import AMINO_ACIDS, Complex
from ppi.errors import InputError
from ppi.io.inputs import read_inputs
from ppi.io.tables import ComplexTable, read_complexes, read_complexes_from_text

FRAME = pd.DataFrame({"id": ["a", "b"], "ligand": ["MKV:LLW", "GGS"], "receptor": ["TTY", "MKV"]})
EXPECTED = [Complex("a", ("MKV", "LLW"), ("TTY",)), Complex("b", ("GGS",), ("MKV",))]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "source",
    [
        FRAME,
        FRAME.rename(columns=str.upper),
        EXPECTED,
        tuple(EXPECTED),
        iter(EXPECTED),
        FRAME.to_dict("records"),
        list(FRAME.itertuples(index=False, name=None)),
        [{"id": "a", "ligand": ["MKV", "LLW"], "receptor": ("TTY",)}, EXPECTED[1]],
        ComplexTable(EXPECTED, pd.DataFrame(index=range(2))),
    ],
    ids=["frame", "upper", "list", "tuple", "iterator", "dicts", "tuples", "mixed", "table"],
)
def test_every_form_gives_the_same(source: Any) -> None:
    assert read_inputs(source).complexes == EXPECTED


def test_one_complex_or_record() -> None:
    assert read_inputs(EXPECTED[0]).complexes == EXPECTED[:1]
    assert read_inputs({"id": "b", "ligand": "GGS", "receptor": "MKV"}).complexes == EXPECTED[1:]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("name", ["in.csv", "in.tsv"])
def test_separators_marks_cases_and_blank_rows(tmp_path: Path, separator: str, name: str) -> None:
    rows = [["ID", " Ligand ", "RECEPTOR"], ["a", "MKV:LLW", "TTY"], ["", "", ""], [], ["b", "GGS", "MKV"]]
    text = "\ufeff\n" + "".join(separator.join(row) + "\r\n" for row in rows)
    assert read_complexes(written(tmp_path, name, text)).complexes == EXPECTED


def test_a_workbook(tmp_path: Path) -> None:
    frame = pd.concat([FRAME, pd.DataFrame([{}])]).assign(pKd=[7.5, None, None])
    frame.to_excel(tmp_path / "in.xlsx", index=False)
    table = read_complexes(tmp_path / "in.xlsx")
    assert table.complexes == [Complex("a", ("MKV", "LLW"), ("TTY",), 7.5), EXPECTED[1]]
    (tmp_path / "bad.xlsx").write_bytes(b"not a workbook")
    with pytest.raises(InputError, match=r"bad\.xlsx: not a \.xlsx file"):
        read_complexes(tmp_path / "bad.xlsx")


def test_files_and_folders_in_order(tmp_path: Path) -> None:
    first = written(tmp_path, "2.csv", "id,ligand,receptor,weight\na,MKV:LLW,TTY,2\n")
    (tmp_path / "folder").mkdir()
    second = written(tmp_path / "folder", "1.fasta", ">b|ligand note\nGGS\n>b|receptor \nMKV\n")
    written(tmp_path / "folder", "notes.txt", "not read")
    table = read_inputs([first, tmp_path / "folder"])
    assert table.complexes == EXPECTED
    assert table.columns["weight"].tolist() == pytest.approx([2, np.nan], nan_ok=True)
    with pytest.raises(InputError, match="the id 'b' is already that of a complex of"):
        read_inputs([second, second])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="the folder has no FASTA"):
        read_inputs(tmp_path / "empty")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,ligand,receptor\na,NA,MKV\n", "row 1, id 'a': the ligand is missing"),
        ("id,ligand,receptor\n\na,MKV,nan\n", "row 2, id 'a': the receptor is missing"),
        (
            "id,ligand,ligand,receptor\na,M,K,V\n",
            r"the column 'ligand' occurs more than once \(columns 2, 3\)",
        ),
        (
            "id,ligand,Ligand ,receptor\na,M,K,V\n",
            r"the column 'ligand' occurs more than once \(columns 2, 3\)",
        ),
        ("id,ligand,receptor,pkd\na,M,K,2500\n", r"row 1, id 'a': .*pkd is 2500.* from -2 to 20"),
        ("id,ligand,receptor,pkd\na,M,K,-7.5\n", r"row 1, id 'a': .*pkd is -7.5"),
        ("id,ligand,receptor,pkd,kd_molar\na,M,K,8,1e-6\n", "pkd is 8, but kd_molar 1e-06 is a pkd of 6"),
        ("id,ligand,receptor,Kd (nM),kd_molar\na,M,K,8,1e-6\n", "both hold a Kd"),
        ("id,ligand,receptor,Kd (nM)\na,M,K,strong\n", r"row 1, id 'a': Kd \(nM\) is 'strong'; give a"),
        (
            "id,ligand,receptor,Kd (nM)\na,M,K,1\n,,,\nb,M,K,>1000\n",
            "row 3, id 'b': .*1000 here and > in a col",
        ),
        ("id,ligand,receptor,pkd\na,M,K,> 9.5\n", "For this bound, give 9.5 here and < in a column censored"),
        ("id,ligand,receptor\na,MKV,MKV,LLW\n", "row 1: it has 4 cells, but the header has 3"),
        ("a,b\n1,2\n", "no column ligand and no column receptor"),
    ],
)
def test_a_wrong_table_says_where(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_complexes(written(tmp_path, "in.csv", text))


@pytest.mark.parametrize(
    "text",
    [
        "id,ligand,receptor,,\na,MKV:LLW,TTY,,\nb,GGS,MKV,,\n",
        'id,ligand,receptor,"x;y;z;u;v"\na,MKV:LLW,TTY,1\nb,GGS,MKV,2\n',
        "id;ligand;receptor;note, long, with, commas\na;MKV:LLW;TTY;n\nb;GGS;MKV;n\n",
    ],
)
def test_odd_headers_are_understood(tmp_path: Path, text: str) -> None:
    assert read_complexes(written(tmp_path, "in.csv", text)).complexes == EXPECTED


def test_odd_files_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="zero byte"):
        read_complexes(written(tmp_path, "in.csv", "id,ligand,receptor\na,AC\0C,MKV\n"))
    (tmp_path / "old.xlsx").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600))
    with pytest.raises(InputError, match=r"not a \.xlsx file .*save an old, encrypted"):
        read_complexes(tmp_path / "old.xlsx")
    with pytest.raises(InputError, match="cannot be read as a path"):
        read_inputs("M" * 5000)
    (tmp_path / "folder").mkdir()
    FRAME.to_csv(tmp_path / "folder" / "1.csv", index=False)
    (tmp_path / "folder" / "~$1.xlsx").write_bytes(b"lock")
    assert read_inputs(tmp_path / "folder").complexes == EXPECTED
    assert read_inputs(FRAME.set_index("id")).complexes == EXPECTED


def test_labels_in_other_units_and_names(tmp_path: Path) -> None:
    text = "id,ligand,receptor,{}\na,M,K,{}\n"
    for column, value in (
        ("pKd", "8"),
        ("Kd (nM)", "10"),
        ("KD(M)", "1e-8"),
        ("Kd [\u00b5M]", "0.01"),
        ("Kd (\u03bcM)", "0.01"),
    ):
        (item,) = read_complexes(written(tmp_path, "in.csv", text.format(column, value))).complexes
        assert item.pkd == pytest.approx(8)
    (item,) = read_complexes(written(tmp_path, "in.csv", text.format("pkd", "NA"))).complexes
    assert item.pkd is None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (5, "cannot be read from a int"),
        ([], "there are no complexes"),
        ([5], "record 1 is '5'"),
        ([("a", "MKV")], "record 1 is"),
        ([("a", None, "MKV")], "the ligand is missing"),
        ([("a", ["MKV", None], "MKV")], "ligand chain 2 is None; give a string"),
        ([EXPECTED[0], EXPECTED[0]], "complex 2: the id 'a' is already that of complex 1"),
        (pd.DataFrame({"ligand": [1.5], "receptor": ["MKV"]}), "the ligand is missing"),
        (pd.DataFrame(columns=["id", "ligand", "receptor"]), "the table has no rows"),
        ("absent.csv", "absent.csv: no such file"),
    ],
    ids=str,
)
def test_anything_else_is_one_clear_error(source: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_inputs(source)


def test_a_complex_checks_itself() -> None:
    for wrong in (None, 5, ""):
        with pytest.raises(InputError, match="the id of a complex is"):
            Complex(wrong, ("MKV",), ("MKV",))
    with pytest.raises(InputError, match="chain 1 is None"):
        Complex("a", (None,), ("MKV",))
    for pkd in (float("nan"), float("inf"), 2500.0):
        with pytest.raises(InputError, match="from -2 to 20"):
            Complex("a", ("MKV",), ("MKV",), pkd)


# A side that is called NA is missing.
_CHAIN = st.text(AMINO_ACIDS + "X", min_size=1, max_size=30).filter(lambda chain: chain != "NA")
_SIDE = st.lists(_CHAIN, min_size=1, max_size=4).map(tuple)
_NAME = st.text("abcXYZ019_-. ", min_size=1, max_size=8).map(str.strip).filter(bool)


@given(st.lists(st.builds(Complex, _NAME, _SIDE, _SIDE), min_size=1, max_size=5, unique_by=lambda c: c.id))
def test_fasta_and_tables_keep_everything(complexes: list[Complex]) -> None:
    fasta = "".join(
        f">{item.id}|{side}|{number}\n{chain}\n"
        for item in complexes
        for side in ("ligand", "receptor")
        for number, chain in enumerate(getattr(item, side))
    )
    assert read_complexes_from_text(fasta, "text").complexes == complexes
    frame = ComplexTable(complexes, pd.DataFrame(index=range(len(complexes)))).frame()
    assert read_inputs(frame).complexes == complexes


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        table = read_complexes_from_text(text, "text")
    except InputError:
        return
    assert len(table) >= 1


def test_the_public_names() -> None:
    assert {"predict", "Predictor", "Complex", "train", "evaluate", "load_dataset"} <= set(dir(ppi))
    assert all(getattr(ppi, name).__doc__ for name in dir(ppi))
