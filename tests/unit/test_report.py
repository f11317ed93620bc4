"""The files of an evaluation, and its short form."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from data_curation.errors import OutputError
from ppi.complexes import Complex
from ppi.evaluation.figures import calibration_figure, scatter_figure
from ppi.evaluation.markdown import format_report
from ppi.evaluation.page import CAPTIONS
from ppi.evaluation.report import check_outputs, write_report
from ppi.evaluation.score_tables import number, score_cell
from ppi.evaluation.scoring import Scored, describe
from ppi.io.tables import ComplexTable
from ppi.provenance import source_label


@pytest.fixture(scope="module")
def scored() -> Scored:
    """60 complexes in two sources, one of them small, with series, replicates and two predictors."""
    random = np.random.default_rng(3)
    truth = random.normal(7, 1.5, 60)
    complexes = [Complex(f"c{i}", ("MKV",), ("GGS",), pkd=float(pkd)) for i, pkd in enumerate(truth)]
    columns = pd.DataFrame(
        {
            "source": ["small"] * 4 + ["large"] * 56,
            "pdb": [f"P{i // 10}" for i in range(60)],
            "mutations": ["", *["A_K1E"] * 59],
            "pkd_sd": [0.4, 0.0, *[np.nan] * 58],
            "n_replicates": [2, 2, *[1] * 58],
        }
    )
    return Scored(
        ComplexTable(complexes, columns),
        {"<model>": truth + random.normal(size=60), "train mean": np.full(60, 7.0)},
        half_width=np.full(60, 1.5),
        spread=np.full(60, np.nan),
        identity=np.linspace(0, 0.89, 60),
        trained_on=np.arange(60) < 5,
    )


@pytest.fixture(scope="module")
def result(scored: Scored) -> dict[str, Any]:
    facts = {
        "model": {"name": "<model>", "weights_sha256": "ab" * 32, "backbone": "residue-v1-float32"},
        "data": {"name": "t.csv", "split": "split_strict", "part": "test", "n": 60, "data_sha256": "cd" * 32},
        "trained_on": 5,
        "warnings": ["5 of 60 complexes have only chains that the model was trained on"],
        "python": "3",
        "packages": {"numpy": "2"},
        "git_commit": None,
    }
    return {**facts, **describe(scored, 0.9, scored.table.columns)}


def test_report_folder_is_complete_and_its_page_needs_no_other_file(
    tmp_path: Path, scored: Scored, result: dict[str, Any]
) -> None:
    write_report(tmp_path / "report", result, scored.frame())
    images = {f"{name}.png" for name in CAPTIONS}
    names = {entry.name for entry in (tmp_path / "report").iterdir()}
    assert names == {"report.html", "report.json", "predictions.csv", *images}
    assert json.loads((tmp_path / "report" / "report.json").read_text()) == result
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("data:image/png;base64,") == len(images)
    assert not re.search(r"<link|<script|src=\"(?!data:)|<model>", page)
    for text in (
        "&lt;model&gt; on test of split_strict, t.csv",
        "5 of 60 complexes have only chains",
        "whole groups of the column pdb, 6 in all",
        "Too few complexes to be scored: wild types (n = 1), small (n = 4).",
        "2 complexes of the table were measured repeatedly",
        "perfect model",
        "cd" * 32,
        "ab" * 32,
    ):
        assert text in page, text


def test_a_report_never_overwrites_the_data(tmp_path: Path) -> None:
    data = tmp_path / "predictions.csv"
    data.touch()
    check_outputs(data, output=tmp_path / "a.json", report=tmp_path / "report")
    with pytest.raises(OutputError, match="predictions.csv: it is the input file"):
        check_outputs(data, output=None, report=tmp_path)
    with pytest.raises(OutputError, match="it is a folder"):
        check_outputs(data, output=tmp_path, report=None)


def test_predictions_stand_beside_what_is_known(
    tmp_path: Path, scored: Scored, result: dict[str, Any]
) -> None:
    write_report(tmp_path, result, scored.frame())
    rows = pd.read_csv(tmp_path / "predictions.csv")
    assert rows.columns.tolist() == [
        *("id", "measured", "pkd", "pkd_std", "pkd_lower", "pkd_upper", "nearest_train_identity"),
        *("trained_on", "source", "pdb", "mutations", "train mean"),
    ]
    inside = (rows["measured"] >= rows["pkd_lower"]) & (rows["measured"] <= rows["pkd_upper"])
    assert inside.mean() == pytest.approx(result["coverage"]["strata"]["all"]["coverage"]["value"])


def test_short_form_is_short(result: dict[str, Any]) -> None:
    text = format_report(result)
    assert "## all (n = 60)" in text
    assert "## not trained on (n = 55)" in text
    assert "within a target (6 PDB entries with at least 8 complexes)" in text
    assert "**5 of 60 complexes" in text
    assert "| perfect model (noise of all replicates) | 0.9" in text
    assert "## large" not in text
    assert "small (n = 4)" in text
    assert text.endswith("\n")
    shape = {line.count("|") for line in text.splitlines() if line.startswith("| predictor | Spearman")}
    assert shape == {6}


def test_figures_say_what_their_axes_are(scored: Scored, result: dict[str, Any]) -> None:
    axes = scatter_figure(scored.frame(), result).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("measured pKd", "predicted pKd")
    assert axes.get_xlim() == axes.get_ylim()
    assert "n = 60" in axes.texts[0].get_text()
    assert len(axes.collections[0].get_offsets()) == 60
    curve = calibration_figure(result).axes[0].lines[1]
    assert np.array(curve.get_ydata()) == pytest.approx(
        [100 * point["observed"] for point in result["coverage"]["curve"]]
    )


def test_cells() -> None:
    assert score_cell({"value": 0.456, "lower": 0.1, "upper": 0.6}) == "0.46 (0.10 to 0.60)"
    assert score_cell({"value": 0.456, "lower": None, "upper": None}, percent=True) == "45.6%"
    assert (number(None), number(float("nan")), number(-0.001)) == ("-", "-", "0.00")
    assert number(0.12345, 4) == "0.1235"


def test_a_label_does_not_tell_where_a_file_lies(scored: Scored) -> None:
    assert source_label(Path("/some/where/t.csv")) == "t.csv"
    assert source_label("split_strict") == "split_strict"
    assert source_label(scored.table) == "a table in memory"
