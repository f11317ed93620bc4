"""The folds of a development cross-validation, and the scores of its pooled rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ppi.complexes import Complex
from ppi.errors import InputError
from ppi.evaluation.development import OutOfFold, constant_half_width, describe_development
from ppi.evaluation.development_tables import format_development
from ppi.evaluation.report import write_development_report
from ppi.io.tables import ComplexTable
from ppi.metrics import rmse, spearman
from ppi.models.calibration import needed_groups
from ppi.study.folds import development_rows, make_folds

MEASURED = np.array([5.0, 6, 7, 8, 9, 10, 11, 12, 4, 6, 8, 10])
PREDICTED = np.array([5.5, 5.5, 7, 8, 9, 10, 11, 12, 7, 7, 7, 8])


@pytest.fixture
def pooled() -> OutOfFold:
    """Twelve rows: a series of eight in one entry and cluster, and four complexes that stand alone."""
    complexes = [Complex(f"c{i}", ("MKV",), ("GGS",), pkd=float(pkd)) for i, pkd in enumerate(MEASURED)]
    columns = pd.DataFrame({"cluster": ["s"] * 8 + list("abcd"), "pdb": ["1ABC"] * 8 + ["A", "B", "C", None]})
    rows = pd.DataFrame(
        {
            "id": [item.id for item in complexes],
            "fold": [0] * 8 + [1] * 4,
            "pkd": PREDICTED,
            "pkd_std": np.nan,
            "partner_score": np.arange(12.0),
            "novelty": ["familiar"] * 8 + ["new"] * 3 + ["half-familiar"],
            "half_width": [0.4] * 2 + [1.0] * 6 + [3.0, 1.0, 1.0, 2.0],
            "training_mean": [7.0] * 8 + [8.0] * 4,
            "constant_half_width": 2.0,
        }
    )
    wrong = {
        "pkd": np.repeat(PREDICTED[:, None] - 1, 3, axis=1),
        "partner_score": np.repeat(np.arange(12.0)[:, None] + np.array([-1, 0, 1, 1]), 1, axis=1),
    }
    return OutOfFold(ComplexTable(complexes, columns), rows, {"train mean": np.full(12, 7.5)}, wrong)


@pytest.fixture
def result(pooled: OutOfFold) -> dict[str, Any]:
    facts = {"training": 20, "validation": 9, "validation_spearman": 0.25}
    return {
        "model": {"name": "<model>", "head": "hp"},
        "data": {"name": "t.csv", "n": 12},
        "folds": [{"fold": 0, "n": 8, **facts}, {"fold": 1, "n": 4, **facts}],
        "warnings": ["3 of 12 predicted complexes have others"],
        **describe_development(pooled, "<model>", 0.9),
        "python": "3",
        "packages": {"numpy": "2"},
        "git_commit": None,
    }


def test_scores_are_over_complexes_entries_and_folds(result: dict[str, Any]) -> None:
    scores = result["scores"]["<model>"]["all"]
    assert scores["spearman"]["value"] == pytest.approx(spearman(MEASURED, PREDICTED))
    assert scores["rmse"]["value"] == pytest.approx(rmse(MEASURED, PREDICTED))
    constant = result["scores"]["train mean"]["all"]
    assert constant["rmse"]["value"] == pytest.approx(rmse(MEASURED, np.full(12, 7.5)))
    # The entry of eight counts once; the complex without an entry stands alone.
    means = (np.array([8.5, 4, 6, 8, 10]), np.array([8.5, 7, 7, 7, 8]))
    entries = result["entry_scores"]["<model>"]
    assert entries["n"] == 5
    assert entries["spearman"]["value"] == pytest.approx(spearman(*means))
    assert result["fold_spearman"]["1"] == pytest.approx(spearman(MEASURED[8:], PREDICTED[8:]))
    assert result["bootstrap"] == {"column": "cluster", "groups": 5, "resamples": 1000}
    within = result["within_target"]["<model>"]
    assert within["count"] == 1
    assert within["mean"]["value"] == pytest.approx(spearman(MEASURED[:8], PREDICTED[:8]))


def test_series_of_one_cluster_are_drawn_together(pooled: OutOfFold) -> None:
    columns = pd.concat([pooled.table.columns, pooled.table.columns.assign(pdb="2ABC")], ignore_index=True)
    columns["cluster"] = ["s"] * 24
    copies = [
        Complex(f"d{i}", item.ligand, item.receptor, item.pkd)
        for i, item in enumerate(pooled.table.complexes)
    ]
    twice = OutOfFold(
        ComplexTable([*pooled.table.complexes, *copies], columns),
        pd.concat([pooled.rows, pooled.rows], ignore_index=True),
        {},
        {"pkd": np.zeros((24, 1))},
    )
    within = describe_development(twice, "m", 0.9)["within_target"]["m"]
    assert within["count"] == 2
    assert within["mean"]["lower"] is None  # one cluster says nothing of another
    apart = replace(twice, table=ComplexTable(twice.table.complexes, columns.assign(cluster=list(range(24)))))
    assert describe_development(apart, "m", 0.9)["within_target"]["m"]["mean"]["lower"] is not None


def test_coverage_is_by_novelty_beside_that_of_the_training_mean(result: dict[str, Any]) -> None:
    model, constant = (result["coverage"][name] for name in ("strata", "constant"))
    assert {name: found["n"] for name, found in model.items()} == {
        "all": 12,
        "familiar": 8,
        "half-familiar": 1,
        "new": 3,
    }
    assert model["familiar"]["coverage"]["value"] == pytest.approx(6 / 8)
    assert model["new"]["coverage"]["value"] == pytest.approx(1)
    assert model["half-familiar"]["coverage"]["value"] == pytest.approx(1)
    assert [found["median_width"] for found in model.values()] == pytest.approx([2.0, 2.0, 4.0, 2.0])
    assert constant["familiar"]["coverage"]["value"] == pytest.approx(5 / 8)
    assert constant["new"]["coverage"]["value"] == pytest.approx(2 / 3)
    assert constant["all"]["median_width"] == pytest.approx(4.0)


def test_every_score_of_partners_is_reported(result: dict[str, Any]) -> None:
    found = result["partners"]["auroc"]
    assert found["pkd"] == {"value": 1.0, "lower": 1.0, "upper": 1.0}
    assert found["partner_score"]["value"] == pytest.approx((1 + 0.5) / 4)


def test_partner_auroc_weighs_entries_alike(pooled: OutOfFold) -> None:
    pooled.wrong["pkd"][8:] += 2  # of the entries, the series wins and the four others lose
    found = describe_development(pooled, "m", 0.9)["partners"]["auroc"]["pkd"]
    assert found["value"] == pytest.approx(1 / 5)
    assert found["lower"] == 0.0


def test_rows_say_fold_interval_and_novelty(pooled: OutOfFold) -> None:
    frame = pooled.frame()
    assert frame.columns.tolist() == [
        *("id", "fold", "measured", "pkd", "pkd_lower", "pkd_upper", "pkd_std", "partner_score", "novelty"),
        *("training_mean", "constant_half_width", "cluster", "pdb", "train mean"),
    ]
    assert frame["pkd_lower"][:3].tolist() == pytest.approx([5.1, 5.1, 6.0])
    assert frame["pkd_upper"][8] == pytest.approx(10.0)


def test_page_and_text_show_the_same_tables(
    tmp_path: Path, pooled: OutOfFold, result: dict[str, Any]
) -> None:
    write_development_report(tmp_path, result, pooled.frame())
    assert json.loads((tmp_path / "report.json").read_text()) == result
    page, text = (tmp_path / "report.html").read_text(), format_development(result)
    assert page.count("data:image/png;base64,") == 3
    assert "<model>" not in page
    assert "coverage by novelty" in page
    for shown in (
        "3 of 12 predicted complexes have others",
        "partner score",
        "Spearman, PDB means",
        "100.0%",
    ):
        assert shown in page
        assert shown in text
    assert "| predicted pKd | 1.00 (1.00 to 1.00) |" in text
    assert "Too few complexes to be scored: familiar (n = 8)" in text


def test_the_constant_interval_is_the_group_quantile_of_the_errors() -> None:
    # Eleven groups, the first of twenty rows, and a new one: 0.9 of twelve is the last error.
    errors = [*np.linspace(0.01, 0.09, 20), *np.arange(1, 11) / 10]
    complexes = [Complex(f"c{i}", ("MK",), ("GS",), pkd=7 + error) for i, error in enumerate(errors)]
    table = ComplexTable(complexes, pd.DataFrame({"cluster": ["series"] * 20 + list("bcdefghijk")}))
    assert constant_half_width(7.0, table) == pytest.approx(1.0, rel=0.2)
    doubled = [Complex(item.id, item.ligand, item.receptor, pkd=7 + 2 * (item.pkd - 7)) for item in complexes]
    twice = constant_half_width(7.0, ComplexTable(doubled, table.columns))
    assert twice == pytest.approx(2 * constant_half_width(7.0, table))


def rows_of(count: int = 48, **columns: Any) -> ComplexTable:
    complexes = [Complex(f"c{i}", ("MKV",), ("GGS",), pkd=5 + i / 100) for i in range(count)]
    own = {
        "fold": [i % 6 - 1 for i in range(count)],
        "split_strict": "train",
        "cluster": [f"k{i // 2}" if i % 2 else f"l{i}" for i in range(count)],
    }
    return ComplexTable(complexes, pd.DataFrame(own | columns, index=range(count)))


def test_rows_are_exact_and_outside_the_test_part() -> None:
    split = ["test" if i < 6 else "validation" if i < 12 else "train" for i in range(48)]
    marks = [None] * 47 + [">"]
    rows = development_rows(rows_of(split_strict=split, censored=marks))
    assert [item.id for item in rows.complexes] == [f"c{i}" for i in range(6, 47)]
    assert rows.columns["fold"].tolist() == [i % 6 - 1 for i in range(6, 47)]


def test_folds_validate_on_clusters_of_their_own() -> None:
    rows = development_rows(rows_of(240))
    folds = make_folds(rows)
    for fold in folds:
        train, validation = fold.table.part("train"), fold.table.part("validation")
        assert (fold.predicted.columns["fold"] == fold.number).all()
        assert not (fold.known.columns["fold"] == fold.number).any()
        assert set(train.targets()).isdisjoint(validation.targets())
        groups = len(set(fold.known.targets()))
        assert len(set(validation.targets())) == max(needed_groups(), round(0.1 * groups)) > needed_groups()
        assert len(train) + len(validation) + len(fold.predicted) == 240
        assert fold.shared_groups == 0
    assert (train.columns["fold"] == -1).any()
    again, other = make_folds(rows), make_folds(rows, seed=1)
    assert [fold.sha256 for fold in again] == [fold.sha256 for fold in folds]
    assert all(one.sha256 != two.sha256 for one, two in zip(other, folds, strict=True))


def test_groups_that_lie_in_two_folds_are_counted() -> None:
    rows = development_rows(rows_of(cluster=["shared", "shared", *[f"k{i}" for i in range(46)]]))
    assert [fold.shared_groups for fold in make_folds(rows)] == [1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"fold": [7] * 48}, "complex 'c0': fold is '7'; it must be 0 to 4, or -1"),
        ({"fold": ["a"] * 48}, "complex 'c0': fold is 'a'; it must be"),
        ({"fold": [0.5] * 48}, "complex 'c0': fold is '0.5'; it must be"),
        ({"fold": [None] * 48}, "complex 'c0': fold is 'None'; it must be"),
        ({"fold": [0, 1, 2, 4] * 12}, "no exact row outside the test part has fold 3"),
    ],
)
def test_wrong_folds_are_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        development_rows(rows_of(**columns))


def test_a_table_that_cannot_be_cross_validated_is_refused() -> None:
    table = rows_of()
    for name in ("fold", "split_strict", "cluster"):
        with pytest.raises(InputError, match=f"no column {name}; a development cross-validation needs fold"):
            development_rows(ComplexTable(table.complexes, table.columns.drop(columns=name)))
    alike = [Complex(item.id, item.ligand, item.receptor, pkd=7.0) for item in table.complexes]
    with pytest.raises(InputError, match="all 48 development complexes have the same pKd"):
        development_rows(ComplexTable(alike, table.columns))
    with pytest.raises(InputError, match="1 of .* development complexes have no pKd, the first is 'c0'"):
        first = Complex("c0", ("MKV",), ("GGS",))
        development_rows(ComplexTable([first, *table.complexes[1:]], table.columns))
    few = development_rows(rows_of(cluster=[f"k{i % 6 if i % 6 else i}" for i in range(48)][:48]))
    with pytest.raises(
        InputError, match=r"outside fold \d are of \d+ groups .* at least 10 are needed, 9 of"
    ):
        make_folds(development_rows(rows_of(cluster=["one"] * 48)))
    assert len(make_folds(few)) == 5
