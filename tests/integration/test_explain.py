"""`ppi explain` from the complex to the files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from Bio.PDB.mmcifio import MMCIFIO
from Bio.PDB.MMCIFParser import MMCIFParser
from Bio.PDB.PDBParser import PDBParser
from made_structures import write_structure

import ppi
from ppi.cli import main
from ppi.errors import InputError
from ppi.explain.explain import COLUMNS, Explanation, explain
from ppi.explain.page import LIMITS
from ppi.training.settings import TrainSettings

SHORT = ppi.Complex("short", ("AQVINTFDGVADYLQTYHK", "CEF"), ("KKAVINGEQIRSISDL",))


@pytest.fixture(scope="module")
def predictor() -> Iterator[ppi.Predictor]:
    with ppi.Predictor(device="cpu", novelty=False) as made:
        yield made


@pytest.fixture(scope="module")
def found(predictor: ppi.Predictor) -> Explanation:
    (explanation,) = explain(predictor, [SHORT], orders=3)
    return explanation


def run(*words: object) -> int:
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_the_default_model_is_explained(predictor: ppi.Predictor, found: Explanation) -> None:
    table = found.table
    assert list(table.columns) == list(COLUMNS)
    assert "".join(table["residue"]) == "".join(SHORT.chains)
    assert table["attribution"].sum() == pytest.approx(
        found.attribution.prediction - found.attribution.reference, abs=1e-6
    )
    alone = predictor.predict([SHORT])
    assert found.attribution.prediction == pytest.approx(alone["pkd"][0], abs=1e-5)
    assert table.groupby("side")["pooling_weight"].sum().tolist() == pytest.approx([1, 1])
    assert table["interface"].between(0, 1).all()
    assert found.attention is None


def test_the_same_seed_gives_the_same(predictor: ppi.Predictor, found: Explanation) -> None:
    (again,) = explain(predictor, [SHORT], orders=3)
    pd.testing.assert_frame_equal(again.table, found.table)
    assert again.faithfulness == found.faithfulness


def test_pad_shows_what_attends_what(table_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    settings = TrainSettings(head="pad", mixer="none", max_epochs=1, members=2)
    ppi.train(table_path, output=tmp_path / "model", settings=settings)
    page = tmp_path / "page.html"
    fasta = tmp_path / "a.fasta"
    fasta.write_text(">a|ligand\nAQVINTFDGV\n>a|receptor\nKKAVINGEQIRS\n")
    assert run("explain", fasta, "--model", tmp_path / "model", "--orders", 2, "--html", page) == 0
    text = page.read_text()
    assert text.count("<img") == 2
    assert "attend each other" in text
    assert "http" not in text
    with ppi.Predictor(tmp_path / "model", device="cpu", novelty=False) as small:
        (item,) = explain(small, fasta, orders=2)
    assert item.attention is not None
    assert item.attention.shape == (10, 12)


@pytest.mark.parametrize("suffix", ["pdb", "cif"])
def test_a_structure_is_coloured(tmp_path: Path, capsys: pytest.CaptureFixture, suffix: str) -> None:
    ligand, other = SHORT.ligand
    structure = write_structure(
        tmp_path, "x", "1abc", {"H": ligand, "L": other, "A": SHORT.receptor[0]}, {"H": 101}
    )
    if suffix == "cif":
        writer = MMCIFIO()
        writer.set_structure(PDBParser(QUIET=True).get_structure("1abc", structure))
        structure = structure.with_suffix(".cif")
        writer.save(str(structure))
        with structure.open("a") as file:
            file.write("_struct.title ''\ndata_MSE\n_chem_comp.id MSE\n")
    fasta = tmp_path / "a.fasta"
    fasta.write_text(f">a|ligand|H\n{ligand}\n>a|ligand|L\n{other}\n>a|receptor|A\n{SHORT.receptor[0]}\n")
    table, coloured = tmp_path / "table.csv", tmp_path / f"coloured.{suffix}"
    words = ["explain", fasta, "--structure", structure, "--orders", 2, "--output", table]
    assert run(*words, "--coloured", coloured, "--colour-by", "interface") == 0
    rows = pd.read_csv(table)
    assert rows["author_number"].tolist()[:2] == [101, 102]
    parser = PDBParser(QUIET=True) if suffix == "pdb" else MMCIFParser(QUIET=True)
    model = parser.get_structure("a", coloured)[0]
    got = [model[row.chain_name][row.author_number]["CA"].bfactor for row in rows.itertuples()]
    assert np.allclose(got, 100 * rows["interface"], atol=0.006)
    before, after = structure.read_text(), coloured.read_text()
    if suffix == "pdb":
        lines = zip(before.splitlines(), after.splitlines(), strict=True)
        assert all(old[:60] == new[:60] and old[66:] == new[66:] for old, new in lines)
    else:
        assert "_struct.title ''" in after
        assert "_chem_comp.id MSE" in after
    assert run(*words, "--coloured", structure) == 1
    assert "was read" in capsys.readouterr().err or structure.read_text() == before
    assert structure.read_text() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "give one or more files"),
        (("FASTA", "--coloured", "x.pdb"), "give it with --structure"),
        (("FASTA", "--output", "a.csv", "--html", "a.csv"), "two outputs have one name"),
        (("FASTA", "--orders", "1"), "the number of orders is 1; give 2 or more"),
        (("FASTA", "--output", "FASTA"), "unknown suffix"),
        (("FASTA", "--structure", "absent.pdb"), "no such file"),
    ],
)
def test_wrong_input_is_one_line(
    words: tuple[str, ...],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    fasta = tmp_path / "a.fasta"
    fasta.write_text(">a|ligand\nAQVINTFDGV\n>a|receptor\nKKAVINGEQIRS\n")
    assert run("explain", *(str(fasta) if word == "FASTA" else word for word in words)) == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.fasta"]


def test_the_number_of_orders_is_checked(predictor: ppi.Predictor) -> None:
    with pytest.raises(InputError, match="the number of orders is 0"):
        explain(predictor, [SHORT], orders=0)
    assert "not what holds the proteins together" in LIMITS
