"""`ppi scan` from the complex to the files, on the shipped model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY
from made_structures import write_structure

import ppi
from ppi.cli import main
from ppi.effects.model import EffectModel
from ppi.effects.mutations import apply_mutations, parse_mutation
from ppi.io.inputs import read_inputs
from ppi.io.predictions import KCAL_PER_PKD
from ppi.prediction.scanning.scan import COLUMNS, Scan

BARNASE = REPOSITORY / "examples" / "barnase_barstar.fasta"
NEW = ppi.Complex("new", ("AQWINTFDGMADYLETYH", "W"), ("GGKLPDNFITRSEAEAL",))


@pytest.fixture(scope="module")
def predictor() -> Iterator[ppi.Predictor]:
    with ppi.Predictor(device="cpu") as made:
        yield made


@pytest.fixture(scope="module")
def wild() -> ppi.Complex:
    return read_inputs(BARNASE).complexes[0]


@pytest.fixture(scope="module")
def scan(predictor: ppi.Predictor) -> Scan:
    return predictor.scan(BARNASE, sites=("ligand:1:50-60", "receptor:1:33-40"))


def run(*words: object) -> int:
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_a_scan_is_tidy(scan: Scan, wild: ppi.Complex) -> None:
    table = scan.table
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == table["mutant"].nunique() == 19 * 19
    assert (table["wild_residue"] != table["mutant_residue"]).all()
    assert (table["ddg_lower"] < table["ddg_kcal_mol"]).all()
    assert (table["ddg_kcal_mol"] < table["ddg_upper"]).all()
    holds_zero = (table["ddg_lower"] <= 0) & (table["ddg_upper"] >= 0)
    assert table["within_noise"].tolist() == holds_zero.tolist()
    row = table.set_index("mutant").loc["ligand:1:R57A"]
    assert wild.ligand[0][56] == "R"
    (prediction,) = (item.prediction for item in scan.complexes)
    assert row["pkd"] == pytest.approx(prediction["pkd"] - row["ddg_kcal_mol"] / KCAL_PER_PKD)
    assert table["interface"].between(0, 1).all()


def test_measured_mutants_are_named_and_nearly_met(scan: Scan) -> None:
    table = scan.table.set_index("mutant")
    known = table[table["measured_ddg"].notna()]
    assert table.loc["ligand:1:R57A", "measured_ddg"] == pytest.approx(
        (14.0 - 10.155) * KCAL_PER_PKD, abs=0.01
    )
    assert {"receptor:1:D35A", "receptor:1:Y29A", "ligand:1:N56A"} & set(known.index)
    assert (known["ddg_kcal_mol"] - known["measured_ddg"]).abs().median() < 0.5
    assert (table["anchors"] == 76).all()


def test_the_best_estimate_is_the_difference_of_two_predictions(
    predictor: ppi.Predictor, scan: Scan, wild: ppi.Complex
) -> None:
    table = scan.table.set_index("mutant")
    names = ["ligand:1:R57A", "ligand:1:S55W", "receptor:1:D39K"]
    mutants = [apply_mutations(wild, [parse_mutation(name, wild)]) for name in names]
    predicted = predictor.predict(mutants)["pkd"] - scan.complexes[0].prediction["pkd"]
    # Not quite the same: each prediction has neighbours, and a prediction of the model around it, of its own.
    assert table.loc[names, "ddg_kcal_mol"].to_numpy() == pytest.approx(
        -KCAL_PER_PKD * predicted.to_numpy(), abs=0.15
    )


def test_the_order_of_sides_and_chains_makes_no_difference(predictor: ppi.Predictor) -> None:
    item = read_inputs(REPOSITORY / "examples" / "hyhel10_lysozyme.fasta").complexes[0]
    other = ppi.Complex("other", item.receptor, item.ligand[::-1])
    first = predictor.scan(item, sites=("ligand:1:50-53", "ligand:2:91", "receptor:1:96-97")).table
    second = predictor.scan(other, sites=("receptor:2:50-53", "receptor:1:91", "ligand:1:96-97")).table
    key = ["wild_residue", "position", "mutant_residue"]
    first, second = (table.sort_values(key, ignore_index=True) for table in (first, second))
    assert first[key].equals(second[key])
    assert first["measured_ddg"].notna().sum() > 5
    for column in ("ddg_kcal_mol", "ddg_lower", "ddg_from_sequence", "interface", "measured_ddg"):
        assert second[column].to_numpy() == pytest.approx(first[column].to_numpy(), abs=0.02, nan_ok=True)


def test_without_measured_complexes_ddg_is_that_of_the_model_of_effects(
    predictor: ppi.Predictor, wild: ppi.Complex
) -> None:
    mutants = ("ligand:1:R57A", "receptor:1:D39A+ligand:1:R57K", "K25A")
    table = predictor.scan(BARNASE, mutants=mutants, measured=False).table
    variants = [
        [parse_mutation("ligand:1:R57A", wild)],
        [parse_mutation("receptor:1:D39A", wild), parse_mutation("ligand:1:R57K", wild)],
        [parse_mutation("K25A", wild)],
    ]
    model = EffectModel.load(device="cpu", on_disk=False)
    expected = model.ddg(wild, variants)
    assert table["ddg_kcal_mol"].tolist() == pytest.approx(expected.tolist(), abs=1e-9)
    assert table["ddg_from_sequence"].tolist() == table["ddg_kcal_mol"].tolist()
    assert table["anchors"].tolist() == [0, 0, 0]
    assert table["measured_ddg"].isna().all()
    interval = model.parts.interval
    assert interval is not None
    widths = (table["ddg_upper"] - table["ddg_lower"]) / 2
    assert widths.tolist() == pytest.approx([interval.single, interval.several, interval.single])
    # The probability of a double mutant is that of its likelier site.
    sides = model.location(wild)
    assert table["interface"][1] == pytest.approx(max(sides[0][56, 0], sides[1][38, 0]), abs=1e-5)


def test_a_new_complex_has_the_wider_interval(predictor: ppi.Predictor) -> None:
    found = predictor.scan(NEW, alanine=True)
    interval = EffectModel.load(device="cpu", on_disk=False).parts.interval
    assert interval is not None
    assert found.complexes[0].prediction["novelty"] == "new"
    assert not found.complexes[0].known
    widths = found.table["ddg_upper"] - found.table["ddg_lower"]
    assert widths.to_numpy() == pytest.approx(2 * interval.new_single)
    # Its chain of one residue is scanned, too.
    assert "ligand:2:W1A" in set(found.table["mutant"])


def test_odd_complexes_are_scanned(predictor: ppi.Predictor) -> None:
    chain = "MKTAYIAKQRQISFVKSHFSRQ"
    odd = [
        ppi.Complex("homomer", (chain, chain), (chain,)),
        ppi.Complex("unknown", ("X" * 5 + chain,), ("W",)),
    ]
    table = predictor.scan(odd, alanine=True).table
    assert table["id"].unique().tolist() == ["homomer", "unknown"]
    alanines = len(chain) - chain.count("A")
    assert (table["id"] == "homomer").sum() == 3 * alanines
    assert (table["id"] == "unknown").sum() == alanines + 1
    assert np.isfinite(table["ddg_kcal_mol"]).all()


def test_all_files_are_written(tmp_path: Path, wild: ppi.Complex, capsys: pytest.CaptureFixture[str]) -> None:
    structure = write_structure(
        tmp_path, "made", "1BRS", {"A": wild.ligand[0], "D": wild.receptor[0]}, {"A": 3}
    )
    files = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "html", "png", "json")}
    sites = ["--sites", "A:59", "--sites", "D:39", "--sites", "D:29"]
    words = [BARNASE, *sites, "--structure", structure, "--output", files["csv"], "--html", files["html"]]
    assert run("scan", *words, "--png", files["png"], "--dms-viz", files["json"]) == 0
    captured = capsys.readouterr()
    assert "barnase_barstar: 57 mutants" in captured.out
    assert "familiar to the model; the nearest training complex is 1BRS_A_D" in captured.out
    assert "receptor:1:D39 (D 39)" in captured.out
    assert captured.err.count("written: ") == 4
    table = pd.read_csv(files["csv"], dtype={"author_number": str})
    assert list(table.columns) == list(COLUMNS)
    assert table.loc[0, ["chain_name", "position", "author_number"]].tolist() == ["A", 57, "59"]
    assert files["png"].read_bytes().startswith(b"\x89PNG")
    page = files["html"].read_text()
    assert not re.search(r"(src|href)=\"(?!data:)|https?://|<script", page)
    for text in ("Hot spots", "Best stabilising mutants", "nearest training complex", "below the model"):
        assert text in page
    _check_dms_viz(json.loads(files["json"].read_text()), structure)


def _check_dms_viz(content: dict, structure: Path) -> None:
    """Check what `configure-dms-viz` checks: columns, alphabet, no doubles, and a map of all sites."""
    assert list(content) == ["barnase_barstar A", "barnase_barstar D"]
    for data in content.values():
        keys = {"mut_metric_df", "sitemap", "metric_col", "conditions", "condition_colors", "alphabet", "pdb"}
        assert keys | {"dataChains", "excludeChains", "filter_cols", "tooltip_cols", "title"} <= set(data)
        rows = pd.DataFrame(data["mut_metric_df"])
        assert {"reference_site", "wildtype", "mutant", data["metric_col"]} <= set(rows.columns)
        assert not rows[["reference_site", "wildtype", "mutant"]].duplicated().any()
        assert set(rows["mutant"]) | set(rows["wildtype"]) <= set(data["alphabet"])
        assert set(rows["reference_site"]) <= set(data["sitemap"])
        assert {"protein_site", "sequential_site", "chains"} == set(
            data["sitemap"][rows["reference_site"][0]]
        )
        assert set(data["tooltip_cols"]) <= set(rows.columns)
        assert data["pdb"] == structure.read_text()


def test_another_model_has_no_measured_neighbours(
    tmp_path: Path, model_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [BARNASE, "--sites", "receptor:1:39", "--model", model_path, "--output", tmp_path / "out.csv"]
    assert run("scan", *words) == 0
    table = pd.read_csv(tmp_path / "out.csv")
    assert table["anchors"].tolist() == [0] * 19
    assert (table["ddg_kcal_mol"] == table["ddg_from_sequence"]).all()
    assert "A complex with measured effects of mutations resembles this one." in capsys.readouterr().out


def test_several_complexes_and_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "in.csv"
    table.write_text("id,ligand,receptor\na,AQWINTF,GGKLPDN\nb,MKTWYIA,GGKLPDN\n")
    for suffix in ("tsv", "parquet", "json"):
        output = tmp_path / f"out.{suffix}"
        assert run("scan", table, "--alanine", "--output", output) == 0
        assert output.stat().st_size > 0
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert found["id"].value_counts().to_dict() == {"a": 6 + 7, "b": 6 + 7}
    assert found["author_number"].isna().all()
    printed = capsys.readouterr().out
    assert "a: 13 mutants, 0 beyond the model's noise" in printed
    assert "new to the model. The mutants are predicted from sequence alone" in printed
    assert "No complex with measured effects of mutations resembles this one" in printed
    assert "--output FILE" not in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give one or more files"),
        ([BARNASE, "--mutants", "H:Y100aA"], "its chains have no names"),
        ([BARNASE, "--mutants", "ligand:1:H101A"], "(neighbours 99:D 100:H [101:Y] 102:Q 103:T)"),
        (
            [BARNASE, "--sites", "ligand:1:109"],
            "109 is no position of ligand chain 1; it has 108 residues",
        ),
        ([BARNASE, "--sites", "ligand", "--pairs"], "double mutants; at most 50,000"),
        ([BARNASE, "--dms-viz", "x.json"], "give it with --structure"),
        ([BARNASE, "--output", "x.txt"], "unknown suffix '.txt'"),
        ([BARNASE, "--dms-viz", "x.json", "--structure", "x.cif"], "dms-viz takes structures in PDB format"),
        ([BARNASE, "--mutants", "A:102A"], "H:101:Y:A (name of a chain, position in it"),
        ([BARNASE, "--mutants", "absent.csv"], "absent.csv: no such file"),
        ([BARNASE, "--mutants", "K25A", "--alanine"], "mutants are given beside sites, alanine or pairs"),
        ([BARNASE, "--structure", "absent.pdb"], "absent.pdb: no such file"),
        ([BARNASE, "--html", "x", "--png", "x"], "two outputs have one name"),
        ([BARNASE, "--output", BARNASE], "unknown suffix '.fasta'"),
        ([BARNASE, "--html", BARNASE], "it is the input file"),
    ],
)
def test_wrong_use_is_one_line(words: list[object], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = BARNASE.read_bytes()
    assert run("scan", *words) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("ppi: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert BARNASE.read_bytes() == before


def test_wrong_notation_is_an_error_before_a_model_is_loaded(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("--mutants", "A:102A"), ("--sites", "ligand:5-9")):
        assert run("scan", BARNASE, *words, "--model", "no/such-model") == 1
        assert words[1] in capsys.readouterr().err


def test_nothing_is_written_where_a_figure_cannot_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [BARNASE, "--mutants", "ligand:1:R57A+receptor:1:D39A", "--output", tmp_path / "a.csv"]
    assert run("scan", *words, "--png", tmp_path / "a.png") == 1
    assert "shows single mutants" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert run("scan", *words, "--html", tmp_path / "a.html") == 0
    assert "ligand:1:R57A+receptor:1:D39A" in (tmp_path / "a.html").read_text()


def test_given_mutants_and_pairs_are_in_the_summary_and_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "a.html"
    mutants = ["--mutants", "ligand:1:I53A+ligand:1:N56A", "ligand:1:D52A"]
    assert run("scan", BARNASE, *mutants, "--html", page) == 0
    found = capsys.readouterr().out
    assert re.search(r"^  ligand:1:I53A\+ligand:1:N56A +\d\.\d\d +\(-?\d\.\d\d to \d\.\d\d\)$", found, re.M)
    assert re.search(r"^  ligand:1:D52A +-0\.\d\d +\(.*\) +measured -0\.73$", found, re.M)
    assert "barnase_barstar: 2 mutants, 1 beyond" in found
    assert "ligand:1:I53A+ligand:1:N56A" in page.read_text()
    # Fifteen mutants are all listed, and the table is named; of more, the strongest are shown.
    assert run("scan", BARNASE, "--sites", "ligand:1:52-57", "--pairs", "--alanine") == 0
    printed = capsys.readouterr()
    assert len(re.findall(r"^  ligand:1:", printed.out, re.M)) == 15
    assert "with all columns, give --output FILE.csv" in printed.err
    assert run("scan", BARNASE, "--sites", "ligand:1:52-58", "--pairs", "--alanine") == 0
    found = capsys.readouterr().out
    assert "Mutants that weaken binding most" in found
    assert "ligand:1:N56A+ligand:1:R57A" in found


def test_oddities_of_the_wild_type_have_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "in.csv"
    table.write_text("id,ligand,receptor\na,XXXXXX,GGKLPDN\n")
    assert run("scan", table, "--alanine", "--html", tmp_path / "a.html") == 0
    assert "Warning: ligand is nothing but X." in capsys.readouterr().out
    assert "ligand is nothing but X" in (tmp_path / "a.html").read_text()


def test_a_model_of_effects_without_an_interval_leaves_it_empty(wild: ppi.Complex) -> None:
    with ppi.Predictor(device="cpu") as predictor:
        effects = predictor.effects
        effects.parts = replace(effects.parts, interval=None)
        table = predictor.scan(wild, sites="receptor:1:39", measured=False).table
    assert table["ddg_lower"].isna().all()
    assert table["within_noise"].all()


def test_names_of_chains_come_from_records_and_tables(tmp_path: Path, predictor: ppi.Predictor) -> None:
    table = predictor.scan(
        REPOSITORY / "examples" / "hyhel10_lysozyme.fasta", mutants=("L:50:Y:A", "Y:97:K:A")
    ).table
    assert table["chain_name"].tolist() == ["L", "Y"]
    assert table["mutant"].tolist() == ["ligand:2:Y50A", "receptor:1:K97A"]
    frame = pd.DataFrame(
        {"id": ["x"], "ligand": ["MKV:WKL"], "receptor": ["GGS"], "ligand_chain_names": ["P, Q"]}
    )
    frame["receptor_chain_names"] = 1
    file = tmp_path / "named.csv"
    frame.to_csv(file, index=False)
    for source in (frame, file):
        found = predictor.scan(source, mutants=("Q:1:W:A", "1:3:S:A")).table
        assert found["mutant"].tolist() == ["ligand:2:W1A", "receptor:1:S3A"]


def test_a_structure_says_where_residues_lie(predictor: ppi.Predictor, tmp_path: Path) -> None:
    wild = ppi.Complex("pair", ("AQWINTFD",), ("KLPDNFIT",))
    path = write_structure(tmp_path, "made", "1abc", {"A": wild.ligand[0], "B": wild.receptor[0]})
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(f"{line[:38]}{4:8.3f}{line[46:]}" if line[21] == "B" else line for line in lines))
    (plain,) = predictor.scan([wild], alanine=True).complexes
    (located,) = predictor.scan([wild], alanine=True, structure=path).complexes
    assert not plain.located
    assert located.located
    assert set(located.table["interface"]) == {1.0}
    assert not np.allclose(plain.table["ddg_kcal_mol"], located.table["ddg_kcal_mol"])
    interval = predictor.effects.parts.structure_interval
    assert interval is not None
    half_width = (located.table["ddg_upper"] - located.table["ddg_lower"]) / 2
    assert np.allclose(half_width, interval.new_single)
