"""`ppi suggest` from an adapted model to the plate."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from conftest import REPOSITORY

import ppi
from ppi.cli import main
from ppi.effects.mutations import mutations_between
from ppi.io.tables import read_complexes
from ppi.prediction.adapting.folder import save_adapted
from ppi.prediction.adapting.model import AdaptedModel
from ppi.prediction.suggesting.table import COLUMNS

EXAMPLES = REPOSITORY / "examples"
MEASURED, POOL = EXAMPLES / "hyhel10_measured.csv", EXAMPLES / "hyhel10_pool.csv"
WILD = EXAMPLES / "hyhel10_lysozyme.fasta"
LIBRARY = ("--library", "ligand:1:53=ADE", "--library", "ligand:2:96=FW", "--library", "receptor:1:97=AR")


@pytest.fixture(scope="module")
def adapted() -> AdaptedModel:
    return ppi.adapt(MEASURED, wild=WILD, device="cpu")


@pytest.fixture(scope="module")
def folder(adapted: AdaptedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "adapted"
    save_adapted(path, adapted)
    return path


def run(*words: object) -> int:
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_a_scan_of_sites_becomes_a_plate(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], adapted: AdaptedModel
) -> None:
    plate = tmp_path / "plate.csv"
    words = ("--sites", "ligand:2:90-96", "--size", 8, "--controls", "--output", plate)
    avoid = ("--avoid", "glycosylation", "cysteine")
    assert run("suggest", folder, *words, *avoid) == 0
    shown = capsys.readouterr()
    assert (
        "hyhel10_lysozyme: 8 of 133 variants suggested by expected-improvement, wells A1 to B2" in shown.out
    )
    assert "already measured: " in shown.out
    assert "new cysteine: 7" in shown.out
    assert "the best is receptor:1:N93A, pkd 10.00" in shown.out
    assert f"written: {plate}" in shown.err
    table = pd.read_csv(plate, keep_default_na=False)
    assert list(table.columns) == list(COLUMNS)
    assert table["role"].tolist() == ["reference", "best measured", *["suggested"] * 8]
    assert table["id"].is_unique
    # The plate is a table of complexes, in which measured values may be written for the next round.
    wild = adapted.surrogate().wild
    for item, row in zip(read_complexes(plate).complexes, table.to_dict("records"), strict=True):
        assert "+".join(map(str, mutations_between(wild, item))) == row["mutant"]
    predicted, _ = adapted.surrogate().predict(read_complexes(plate).complexes)
    assert table["predicted"].astype(float).tolist() == pytest.approx(predicted.tolist(), rel=1e-4)


def test_the_next_round_learns_from_the_plate(folder: Path, tmp_path: Path) -> None:
    plate, next_round = tmp_path / "plate.csv", tmp_path / "next"
    assert run("suggest", folder, "--sites", "ligand:2:90-96", "--size", 8, "--output", plate) == 0
    table = pd.read_csv(plate).assign(pkd=[8.0, 8.5, 9.0, 9.5, 8.2, 8.4, 8.6, 8.8])
    table.to_csv(tmp_path / "measured.csv", index=False)
    assert run("adapt", tmp_path / "measured.csv", "--wild", WILD, "--output", next_round) == 0
    assert run("suggest", next_round, *LIBRARY, "--size", 2) == 0


def test_a_plate_is_never_overwritten(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plate = tmp_path / "plate.csv"
    plate.write_text("measured")
    assert run("suggest", folder, *LIBRARY, "--size", 2, "--output", plate) == 1
    assert f"{plate} exists and is left as it is; name another output" in capsys.readouterr().err
    assert plate.read_text() == "measured"


def test_without_output_all_wells_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("suggest", folder, "--sites", "L", "--controls", "--size")
    assert run(*words, 22) == 0
    shown = capsys.readouterr()
    assert sum(line.startswith("  ") for line in shown.out.splitlines()) == 24
    assert "control: best measured" in shown.out
    assert "nothing was written; --output FILE.csv writes the plate" in shown.err
    assert run(*words, 23) == 0
    assert sum(line.startswith("  ") for line in capsys.readouterr().out.splitlines()) == 5


def test_warnings_of_the_model_are_shown_again(
    folder: Path, adapted: AdaptedModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(MEASURED)
    table["pkd"] = table["pkd"].sample(frac=1, random_state=1).to_numpy()
    table.to_csv(tmp_path / "noise.csv", index=False)
    model = tmp_path / "model"
    assert run("adapt", tmp_path / "noise.csv", "--wild", WILD, "--output", model) == 0
    warned = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ppi: warning")]
    assert "do not support a ranking" in warned[0]
    for words in (("suggest", model, *LIBRARY, "--size", 2), ("predict", POOL, "--model", model)):
        assert run(*words) == 0
        assert [line for line in capsys.readouterr().err.splitlines() if "warning" in line] == warned
        assert run(words[0], *(folder if word == model else word for word in words[1:])) == 0
        assert "warning" not in capsys.readouterr().err


def test_a_library_and_a_table_of_mutants(folder: Path, tmp_path: Path) -> None:
    plate = tmp_path / "plate.xlsx"
    assert run("suggest", folder, *LIBRARY, "--most-mutations", 2, "--size", 4, "--output", plate) == 0
    table = pd.read_excel(plate)
    assert len(table) == 4
    assert table["mutant"].str.count(r"\+").max() == 1
    found = ppi.suggest(folder, POOL, size=5, by="thompson", seed=3)
    names = pd.read_csv(POOL)["mutant"].tolist()
    assert set(found.table["id"]) <= set(names)
    again = ppi.suggest(folder, POOL, size=5, by="thompson", seed=3)
    pd.testing.assert_frame_equal(found.table, again.table)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: no folder of an adapted model; ppi adapt makes one"),
        ([EXAMPLES / "barnase_barstar.fasta"], "the pool: 'barnase_barstar' (1 row(s))"),
        (["--library", "ligand:1:53=Y"], "the library holds the wild type alone"),
        (["--library", "ligand:1:53=B"], "'B' is not an amino acid"),
        (["--library", "ligand:9:53=A"], "the ligand has 2 chain(s)"),
        (["--sites", "ligand:1:900"], "900 is no position of ligand chain 1"),
        (["--sites", "ligand:1:53", "--size", "30"], "the batch has 30 variants, but only 1"),
        (["--size", "100"], "does not fit on a plate of 96 wells"),
        (["--target", "other"], "there is no target 'other'"),
        (["--avoid", "sugar"], "there is no liability 'sugar'"),
        (["--output", "plate.docx"], "unknown suffix '.docx'"),
        ([POOL, "--output", POOL], "it is the input file"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(
    folder: Path, words: list[object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = [] if words == ["nowhere"] else [folder]
    assert run("suggest", *first, *words) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ppi: error")]
    assert message in line
