"""A development cross-validation from a table to its report: each fold by a model that never saw it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import random_complex

import ppi.study.development
import ppi.study.fold_run
import ppi.study.run
from data_curation.errors import OutputError
from data_curation.splits.clustering import search
from ppi.cli import main
from ppi.complexes import Complex
from ppi.errors import InputError, TrainingError
from ppi.evaluation.baselines import SEQUENCE_BASELINES
from ppi.evaluation.partners import PARTNERS, draw_partners
from ppi.io.tables import ComplexTable
from ppi.metrics import spearman
from ppi.models.folder import load_model
from ppi.prediction.predictor import Predictor
from ppi.study.cell import run_cell
from ppi.study.development import cross_validate
from ppi.study.folds import development_rows, make_folds
from ppi.study.plan import plan_study
from ppi.study.processes import Failure
from ppi.study.run import run_study
from ppi.study.scores import read_results
from ppi.training.run import train
from ppi.training.settings import TrainSettings

SETTINGS = TrainSettings(head="hp", mixer="none", pooling="mean", max_epochs=2)


@pytest.fixture(scope="module", autouse=True)
def nothing_similar() -> Any:
    """Spare the searches of chains that are as good as random."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("data_curation.audit.leakage.search", lambda *_, **__: search({}, {}))
        yield


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 complexes in folds -1 to 4; the last of each fold is a mutant of the first of fold -1."""
    random = np.random.default_rng(1)
    complexes = [random_complex(random, f"c{i}", ligand=1 + i % 2) for i in range(60)]
    for i in range(55, 60):
        ligand = (complexes[0].ligand[0][:-1] + "AG"[complexes[0].ligand[0][-1] == "A"],)
        complexes[i] = Complex(f"c{i}", ligand, complexes[0].receptor, pkd=5.0 + i / 100)
    frame = ComplexTable(complexes, pd.DataFrame(index=range(60))).frame()
    frame["fold"] = [i % 6 - 1 for i in range(60)]
    frame["split_strict"] = ["test" if i % 10 == 4 else "train" for i in range(60)]
    frame["cluster"] = [f"k{i}" for i in range(55)] + ["k0"] * 5
    frame["pdb"] = [f"P{i}" for i in range(55)] + ["P0"] * 5
    place = tmp_path_factory.mktemp("cv") / "complexes.csv"
    frame.to_csv(place, index=False)
    return place


@pytest.fixture(scope="module")
def finished(path: Path) -> Path:
    """A finished cross-validation: `work`, `cv.json` and `report` in one folder."""
    folder = path.parent
    files = {"work": folder / "work", "output": folder / "cv.json", "report": folder / "report"}
    cross_validate(SETTINGS, data=path, **files)
    return folder


@pytest.fixture
def work(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished / "work", tmp_path / "work"))


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "cv.json").read_text())
    return found


def near(content: Any) -> Any:
    """Return a nested result that equals others but for the last digits, which follow the memory layout."""
    if isinstance(content, dict):
        return {key: near(value) for key, value in content.items()}
    if isinstance(content, list):
        return [near(value) for value in content]
    return pytest.approx(content, rel=1e-9) if isinstance(content, float) else content


def refuse_to_train(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*_: object, **__: object) -> None:
        raise AssertionError("a fold was trained")

    monkeypatch.setattr(ppi.study.fold_run, "train", train)


def test_each_fold_is_predicted_by_a_model_that_never_saw_it(finished: Path, path: Path) -> None:
    table = pd.read_csv(path)
    rows = pd.read_csv(finished / "report" / "predictions.csv")
    development = table[table["split_strict"] != "test"]
    assert set(rows["id"]) == set(development.loc[development["fold"] >= 0, "id"])
    assert {"cluster", "pdb", *SEQUENCE_BASELINES} <= set(rows)
    assert set(rows["novelty"]) == {"familiar", "new"}
    folds = make_folds(development_rows(ComplexTable(*_of(table))))
    for number, group in rows.groupby("fold"):
        trained = load_model(finished / "work" / f"fold-{number}" / "model")
        seen = {item.id for item in trained.training_complexes}
        assert seen == {item.id for item in folds[int(str(number))].table.part("train").complexes}
        assert seen.isdisjoint(group["id"])
        assert seen.isdisjoint(table.loc[table["split_strict"] == "test", "id"])
        # What the folder says alone: pKd, interval and novelty to its own training complexes.
        again = Predictor(trained, device="cpu").predict(table[table["id"].isin(group["id"])])
        for name in ("pkd", "pkd_lower", "pkd_upper", "pair_identity"):
            assert group[name].to_numpy() == pytest.approx(again[name].to_numpy(), abs=1e-5)
        assert group["novelty"].tolist() == again["novelty"].tolist()
        assert group["measured"].tolist() == pytest.approx(
            table.set_index("id").loc[group["id"], "pkd"].tolist()
        )


def _of(table: pd.DataFrame) -> tuple[list[Complex], pd.DataFrame]:
    complexes = [
        Complex(row.id, tuple(row.ligand.split(":")), tuple(row.receptor.split(":")), pkd=row.pkd)
        for row in table.itertuples()
    ]
    return complexes, table.drop(columns=["id", "ligand", "receptor", "pkd"])


def test_wrong_partners_are_predicted_by_the_model_of_the_fold(finished: Path, path: Path) -> None:
    fold = make_folds(development_rows(ComplexTable(*_of(pd.read_csv(path)))))[2]
    kept = pd.read_parquet(finished / "work" / "fold-2" / "partners.parquet")
    drawn = draw_partners(fold.predicted)
    assert [list(row) for row in kept["row"]] == drawn.tolist()
    items = fold.predicted.complexes
    pairs = [Complex(f"w{k}", items[3].ligand, items[lender].receptor) for k, lender in enumerate(drawn[3])]
    predictor = Predictor(finished / "work" / "fold-2" / "model", device="cpu", novelty=False)
    assert kept["pkd"][3] == pytest.approx(predictor.predict(pairs)["pkd"].to_numpy(), abs=1e-5)
    assert len(pairs) == PARTNERS


def test_the_result_is_of_the_rows(finished: Path) -> None:
    result, rows = read(finished), pd.read_csv(finished / "report" / "predictions.csv")
    assert result["model"]["name"] == "residue-none-hp-x1"
    assert result["model"]["pooling"] == "mean"
    assert (result["data"]["n"], result["data"]["training"]) == (len(rows), 60 - 6 - len(rows))
    assert [fold["fold"] for fold in result["folds"]] == [0, 1, 2, 3, 4]
    assert sum(fold["n"] for fold in result["folds"]) == len(rows)
    scores = result["scores"]["residue-none-hp-x1"]["all"]
    assert scores["rmse"]["value"] == pytest.approx(np.sqrt(((rows["pkd"] - rows["measured"]) ** 2).mean()))
    inside = (rows["measured"] >= rows["pkd_lower"]) & (rows["measured"] <= rows["pkd_upper"])
    assert result["coverage"]["strata"]["all"]["coverage"]["value"] == pytest.approx(inside.mean())
    assert rows["training_mean"].tolist() == pytest.approx(rows["train mean"].tolist())
    assert rows.groupby("fold")["constant_half_width"].nunique().tolist() == [1] * 5
    assert list(result["partners"]["auroc"]) == ["pkd"]
    (warning,) = result["warnings"]
    assert "5 of 46 predicted complexes have others of their own cluster outside their fold" in warning


def test_finished_folds_are_not_trained_again(
    finished: Path, work: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(work / "fold-3")  # as if it had been stopped before this fold
    (work / "fold-2" / "result.json").unlink()  # and, in another, after the training
    trained = []

    def count(*arguments: Any, **options: Any) -> Any:
        trained.append(Path(options["output"]).parent.name)
        return train(*arguments, **options)

    monkeypatch.setattr(ppi.study.fold_run, "train", count)
    again = cross_validate(SETTINGS, data=path, work=work)
    assert trained == ["fold-3"]
    assert again == near(read(finished))
    refuse_to_train(monkeypatch)
    assert cross_validate(SETTINGS, data=path, work=work) == near(again)


def test_folds_of_other_settings_or_data_are_refused(
    work: Path, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_train(monkeypatch)
    with pytest.raises(
        TrainingError, match="fold-0: this fold was begun with max_epochs 2, now it is 3; choose"
    ):
        cross_validate(SETTINGS.model_copy(update={"max_epochs": 3}), data=path, work=work)
    pd.read_csv(path).assign(pkd=lambda table: table["pkd"] + 1).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(TrainingError, match="fold-0: this fold was begun with data_sha256"):
        cross_validate(SETTINGS, data=tmp_path / "other.csv", work=work)
    with pytest.raises(TrainingError, match="fold-0: this fold was begun with data_sha256"):
        cross_validate(SETTINGS, data=path, work=work, seed=1)
    with pytest.raises(TrainingError, match="begun with baselines 'sequence', now it is 'none'"):
        cross_validate(SETTINGS, data=path, work=work, baselines="none")
    with pytest.raises(InputError, match="baselines is 'all'; it must be sequence or none"):
        cross_validate(SETTINGS, data=path, work=work, baselines="all")
    (work / "fold-0" / "result.json").write_text("{")
    with pytest.raises(TrainingError, match=r"result.json: cannot be read .*delete the folder of this fold"):
        cross_validate(SETTINGS, data=path, work=work)
    alone = pd.read_csv(path)
    alone.loc[alone["fold"] == 4, "cluster"] = "one"
    alone.to_csv(tmp_path / "alone.csv", index=False)
    with pytest.raises(InputError, match=r"complex 'c5' has no wrong partner: none of the \d+ complexes"):
        cross_validate(SETTINGS, data=tmp_path / "alone.csv", work=tmp_path / "none")
    assert not (tmp_path / "none").exists()
    (tmp_path / "mine" / "fold-1").mkdir(parents=True)
    (tmp_path / "mine" / "fold-1" / "notes.txt").write_text("mine")
    with pytest.raises(TrainingError, match=r"fold-1: the folder has other files and no task.json"):
        cross_validate(SETTINGS, data=path, work=tmp_path / "mine")


def test_without_baselines_and_with_a_partner_score_of_the_predictions(
    finished: Path, work: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_train(monkeypatch)
    for task in work.glob("*/task.json"):
        task.write_text(json.dumps(json.loads(task.read_text()) | {"baselines": "none"}))
        (task.parent / "result.json").unlink()
    predict = Predictor.predict

    def with_score(*arguments: Any, **options: Any) -> pd.DataFrame:
        return predict(*arguments, **options).assign(partner_score=lambda table: -table["pkd"])

    def search_nothing(*_: object) -> None:
        raise AssertionError("similar chains were searched")

    monkeypatch.setattr(Predictor, "predict", with_score)
    monkeypatch.setattr(ppi.study.development, "similar_chains", search_nothing)
    result = cross_validate(SETTINGS, data=path, work=work, baselines="none")
    assert list(result["scores"]) == ["residue-none-hp-x1", "train mean"]
    mean = read(finished)["scores"]["train mean"]["all"]["rmse"]["value"]
    assert result["scores"]["train mean"]["all"]["rmse"]["value"] == pytest.approx(mean)
    found = result["partners"]["auroc"]
    assert found["pkd"]["value"] == pytest.approx(read(finished)["partners"]["auroc"]["pkd"]["value"])
    assert found["partner_score"]["value"] == pytest.approx(1 - found["pkd"]["value"])


def test_nothing_is_written_over_the_input(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_train(monkeypatch)
    with pytest.raises(OutputError, match="it is the input file"):
        cross_validate(SETTINGS, data=path, output=path)
    table = tmp_path / "predictions.csv"
    shutil.copy(path, table)
    with pytest.raises(OutputError, match="it is the input file"):
        cross_validate(SETTINGS, data=table, report=tmp_path)
    with pytest.raises(InputError, match="no column cluster; a development cross-validation needs"):
        pd.read_csv(path).drop(columns="cluster").to_csv(table, index=False)
        cross_validate(SETTINGS, data=table)


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    return int(str(stopped.value.code or 0))


def test_the_command_prints_the_tables(
    finished: Path, work: Path, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("head: hp\nmixer: none\npooling: mean\nmax_epochs: 2\n")
    command = ["evaluate", "--protocol", "cv", "--data", path, "--config", recipe]
    files = ["--work", work, "--output", tmp_path / "cv.json", "--report", tmp_path / "report"]
    main([str(word) for word in [*command, *files]])
    printed = capsys.readouterr().out
    assert "# residue-none-hp-x1, development cross-validation on complexes.csv" in printed
    for heading in (
        "| predictor | Spearman | Spearman, PDB means |",
        "| predicted pKd |",
        "| new |",
        "| 4 |",
    ):
        assert heading in printed
    assert read(tmp_path) == near(read(finished))
    assert (tmp_path / "report" / "report.json").read_bytes() == (tmp_path / "cv.json").read_bytes()
    before = recipe.read_text()
    assert run(*command, "--output", recipe) == 1
    assert recipe.read_text() == before
    assert "it is the input file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["model", "--protocol", "cv"], "MODEL is not for --protocol cv; leave it out"),
        (["--protocol", "cv", "--split", "split"], "--split is not for --protocol cv"),
        (["--protocol", "cv", "--part", "train"], "--part is not for --protocol cv"),
        (["--protocol", "cv", "--baselines", "all"], "--baselines all is not for --protocol cv; choose"),
        (["--protocol", "cv", "--truncate"], "--truncate is not for --protocol cv"),
        (["--config", "recipe.yaml"], "--config is not for --protocol split; add --protocol cv"),
        (["--work", "folds"], "--work is not for --protocol split; add --protocol cv"),
        (["--protocol", "cv", "--config", "absent.yaml"], "absent.yaml: no such file"),
    ],
)
def test_options_of_the_other_protocol_are_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", *words) == 1
    assert message in capsys.readouterr().err


def test_a_study_scores_the_rows_of_all_folds_together(
    path: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_cells_here(names: list[str], folder: Path, *, store: Path, **_: object) -> list[Failure]:
        monkeypatch.chdir(folder)
        for name in names:
            run_cell(Path("cells", name), device="cpu", store=store)
        return []

    monkeypatch.setattr(ppi.study.run, "run_cells", run_cells_here)
    config, output = tmp_path / "study.yaml", tmp_path / "study"
    settings = {"mixer": "none", "pooling": "mean", "max_epochs": 2}
    content = {"data": str(path), "splits": "development", "fixed": settings, "grid": {"head": ["hp"]}}
    config.write_text(json.dumps({**content, "seeds": [0, 1]}))
    table = run_study(config, output=output, device="cpu", store=tmp_path / "store")
    assert set(table["split"]) == {"development"}
    # The rows, the parts and so the predictions of a seed are those of the cross-validation.
    cells = [output / "cells" / f"development-{fold}--hp--seed0" for fold in range(5)]
    frames = [pd.read_csv(cell / "predictions.csv").query("part == 'test'") for cell in cells]
    rows = pd.concat(frames).set_index("id")
    expected = pd.read_csv(finished / "report" / "predictions.csv").set_index("id").loc[rows.index]
    np.testing.assert_allclose(rows["predicted"], expected["pkd"], atol=1e-5)
    seeds = [
        pd.concat(
            [
                pd.read_csv(
                    output / "cells" / cell.name.replace("seed0", f"seed{seed}") / "predictions.csv"
                ).query("part == 'test'")
                for cell in cells
            ]
        )
        for seed in (0, 1)
    ]
    scores = [spearman(each["measured"], each["predicted"]) for each in seeds]
    row = table.set_index("predictor").loc["hp"]
    assert row["test_spearman_mean"] == pytest.approx(np.mean(scores))
    # A seed that lacks a fold has no score; the others keep theirs.
    (output / "cells" / "development-3--hp--seed1" / "result.json").unlink()
    (only,) = read_results(plan_study(config, output))
    assert only.predicted["hp"].shape == (1, len(only.rows))
    assert int(only.test.sum()) == len(rows)
    assert "of all five folds" in (output / "report.md").read_text()
