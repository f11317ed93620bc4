"""From a table to a model folder to predictions."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import ppi
from heads.names import HEADS, MIXERS
from ppi.errors import InputError, ModelError, PpiWarning, SettingsError, TrainingError
from ppi.evaluation.baselines import BASELINES
from ppi.evaluation.markdown import format_report
from ppi.io.predictions import COLUMNS
from ppi.io.tables import read_complexes
from ppi.models.affinity import AffinityModel
from ppi.models.calibration import Calibration
from ppi.models.config import ModelConfig
from ppi.models.folder import load_model, save_model
from ppi.prediction.engine import predict_members
from ppi.training.settings import TrainSettings


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("mixer", MIXERS)
def test_saved_model_predicts_bit_equal(tmp_path: Path, table_path: Path, head: str, mixer: str) -> None:
    model = AffinityModel(ModelConfig(head=head, mixer=mixer, members=2, label_mean=7.0)).eval()
    save_model(
        tmp_path / "m",
        model,
        calibration=Calibration(0.9, 2.0, 1.0, 0.5, 0.25, 10, 9, 0.9, 4.0),
        training_complexes=[ppi.Complex("t", ("MKV",), ("MKV",), 7.0)],
        training_log=pd.DataFrame({"epoch": [1]}),
        manifest={"name": "m", "backbone_identity": model.backbone.identity},
        card="card",
    )
    complexes = read_complexes(table_path).complexes[:6]
    loaded = load_model(tmp_path / "m")
    assert loaded.model.config == model.config
    assert np.array_equal(predict_members(loaded.model, complexes).pkd, predict_members(model, complexes).pkd)


def test_hub_mixin_saves_and_loads_the_same_folder(tmp_path: Path, model_path: Path) -> None:
    loaded = AffinityModel.from_pretrained(str(model_path))
    loaded.save_pretrained(tmp_path / "again")
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (model_path / name).read_bytes()


def test_training_learns_and_repeats(tmp_path: Path, table_path: Path) -> None:
    settings = TrainSettings(
        head="ec", mixer="none", pooling="mean", max_epochs=40, patience=40, learning_rate=0.03
    )
    first = ppi.train(table_path, output=tmp_path / "a", settings=settings)
    assert first.manifest["validation"]["spearman"] > 0.8
    ppi.train(table_path, output=tmp_path / "b", settings=settings)
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (
        tmp_path / "b" / "model.safetensors"
    ).read_bytes()


def test_a_member_does_not_depend_on_how_many_there_are(
    tmp_path: Path, table_path: Path, model_path: Path
) -> None:
    settings = TrainSettings(head="hp", mixer="none", seed=1, max_epochs=2)
    alone = ppi.train(table_path, output=tmp_path / "alone", settings=settings).model.heads[0]
    second = load_model(model_path).model.heads[1]
    for name, tensor in alone.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


def test_model_folder_is_complete(model_path: Path, table: pd.DataFrame) -> None:
    assert {entry.name for entry in model_path.iterdir()} == {
        "config.json",
        "model.safetensors",
        "manifest.json",
        "calibration.json",
        "training_complexes.parquet",
        "training.csv",
        "README.md",
    }
    manifest = json.loads((model_path / "manifest.json").read_text())
    assert manifest["settings"]["head"] == "hp"
    assert manifest["data"]["split"] == "split"
    assert [member["seed"] for member in manifest["members"]] == [0, 1]
    chains = set(load_model(model_path).training_chains)
    train = table[table["split"] == "train"]
    assert chains == set(":".join([*train["ligand"], *train["receptor"]]).split(":"))


def test_label_scale_counts_a_series_once(tmp_path: Path, table: pd.DataFrame) -> None:
    train = table[table["split"] == "train"].assign(pdb="series", pkd=9.0)
    train.loc[train.index[:2], "pdb"] = ["x", "y"]
    train.loc[train.index[:2], "pkd"] = 6.0
    settings = TrainSettings(head="ec", mixer="none", max_epochs=1, balance="pdb", per_group=1)
    frame = pd.concat([train, table[table["split"] == "validation"]])
    frame.to_csv(tmp_path / "t.csv", index=False)
    trained = ppi.train(tmp_path / "t.csv", output=tmp_path / "m", settings=settings)
    assert trained.model.config.label_mean == pytest.approx(7.0)


def test_prediction_table(model_path: Path, table_path: Path, table: pd.DataFrame) -> None:
    result = ppi.predict(table_path, model=model_path)
    assert list(result.columns) == list(COLUMNS)
    assert result["id"].tolist() == table["id"].tolist()
    assert (result["pkd_std"] > 0).all()
    assert np.allclose(result["kd_molar"], 10 ** -result["pkd"])
    assert np.allclose(result["pkd_upper"] - result["pkd"], result["pkd"] - result["pkd_lower"])
    assert (result.loc[table["split"] == "train", "pair_identity"] == 1.0).all()
    assert (result.loc[table["split"] == "test", "pair_identity"] < 0.9).all()
    shuffled = ppi.predict(read_complexes(table_path).complexes[::-1], model=model_path)
    assert np.allclose(shuffled["pkd"][::-1], result["pkd"], atol=1e-5)


def test_replaced_residues_have_a_warning(model_path: Path) -> None:
    rare = ppi.Complex("rare", ("MKUV", "BKV"), ("MKV",))
    (warning,) = ppi.predict([rare], model=model_path)["warnings"]
    assert "ligand chain 1: U replaced by X" in warning
    assert "ligand chain 2: B replaced by X" in warning


def test_temperature_moves_dg_only(model_path: Path, table_path: Path, tmp_path: Path) -> None:
    warm = ppi.predict(table_path, model=model_path, temperature_kelvin=310.15)
    cold = ppi.predict(table_path, model=model_path)
    assert np.allclose(warm["dg_kcal_mol"] / cold["dg_kcal_mol"], 310.15 / 298.15)
    assert warm["pkd"].equals(cold["pkd"])
    frame = pd.read_csv(table_path).assign(temperature_kelvin=310.15)
    frame.loc[0, "temperature_kelvin"] = None
    frame.to_csv(tmp_path / "t.csv", index=False)
    own = ppi.predict(tmp_path / "t.csv", model=model_path)
    assert own["dg_kcal_mol"][0] == pytest.approx(cold["dg_kcal_mol"][0])
    assert own["dg_kcal_mol"][1] == pytest.approx(warm["dg_kcal_mol"][1])
    with pytest.raises(InputError, match="temperature is 25; give 200 to 400 kelvin"):
        ppi.predict(table_path, model=model_path, temperature_kelvin=25)


def test_a_40000_residue_chain_is_refused_or_truncated(model_path: Path) -> None:
    giant = ppi.Complex("giant", ("MKVLAW" * 6667,), ("GGSTTY",))
    with pytest.raises(InputError, match="'giant' has a chain of 40002 residues, .*--truncate"):
        ppi.predict([giant], model=model_path)
    result = ppi.predict([giant], model=model_path, truncate=True)
    assert result["truncated"].tolist() == [True]
    assert np.isfinite(result["pkd"]).all()


def test_a_folder_of_an_older_version_has_no_novelty(
    model_path: Path, table_path: Path, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    shutil.copytree(model_path, old)
    chains = "\n".join(sorted(load_model(model_path).training_chains)) + "\n"
    (old / "training_complexes.parquet").unlink()
    (old / "training_chains.txt.gz").write_bytes(gzip.compress(chains.encode()))
    with pytest.warns(PpiWarning, match="'old' was saved by an older version"):
        result = ppi.predict(table_path, model=old)
    assert result["pair_identity"].isna().all()
    assert result["pkd"].equals(ppi.predict(table_path, model=model_path)["pkd"])
    assert load_model(old).training_chains == load_model(model_path).training_chains


@pytest.mark.usefixtures("every_pair_aligned")
def test_evaluation_report(model_path: Path, table_path: Path, tmp_path: Path, table: pd.DataFrame) -> None:
    report = ppi.evaluate(model_path, data=table_path, output=tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert list(report["scores"]) == ["tiny", *BASELINES]
    assert report["scores"]["tiny"]["all"]["n"] == 12
    test = table[table["split"] == "test"]
    predicted = ppi.predict(table_path, model=model_path).loc[test.index, "pkd"]
    error = float(np.sqrt(np.mean((predicted - test["pkd"]) ** 2)))
    assert report["scores"]["tiny"]["all"]["rmse"]["value"] == pytest.approx(error)
    train = table.loc[table["split"] == "train", "pkd"]
    mean_error = float(np.sqrt(np.mean((test["pkd"] - train.mean()) ** 2)))
    assert report["scores"]["train mean"]["all"]["rmse"]["value"] == pytest.approx(mean_error, abs=0.05)
    assert "no chain >= 30% identical to a training chain (n = 12)" in format_report(report)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"split": "train"}, InputError, "no row has split 'validation'; there are train"),
        (
            {"pkd": None},
            InputError,
            "no training complex has a pKd: there is no column pkd.*; the other columns are id, ligand, ",
        ),
        ({"pkd": 7.0}, InputError, "the same pKd"),
        ({"weight": 0.0}, InputError, "the weight is 0.0; it must be a finite number above zero"),
        ({"weight": "high"}, InputError, "the weight is high; it must be a finite number above zero"),
    ],
)
def test_unfit_training_tables(
    tmp_path: Path, table: pd.DataFrame, change: dict[str, object], error: type[Exception], message: str
) -> None:
    table.assign(**change).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(error, match=message):
        ppi.train(tmp_path / "t.csv", output=tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_unfit_validation_rows_are_found_before_training(tmp_path: Path, table: pd.DataFrame) -> None:
    validation = table.index[table["split"] == "validation"]
    blank = table.copy()
    blank.loc[validation[0], "pkd"] = None
    blank.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match="1 of 12 validation complexes have no pKd, the first is 'c2'"):
        ppi.train(tmp_path / "t.csv", output=tmp_path / "m")
    table.drop(index=validation[8:]).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match="8 validation complexes; at least 9.* --ratios 0.4 0.3 0.3 gives"):
        ppi.train(tmp_path / "t.csv", output=tmp_path / "m")


def test_diverging_loss_stops_with_the_batch(tmp_path: Path, table: pd.DataFrame) -> None:
    table.to_csv(tmp_path / "t.csv", index=False)
    settings = TrainSettings(head="ec", mixer="none", learning_rate=1e30, warmup_fraction=0)
    with pytest.raises(TrainingError, match="the loss is .* in batch 1 of epoch"):
        ppi.train(tmp_path / "t.csv", output=tmp_path / "m", settings=settings)
    assert not (tmp_path / "m").exists()


def test_table_without_split_or_group(tmp_path: Path, table: pd.DataFrame) -> None:
    table.drop(columns="split").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match="no column split or split_strict"):
        ppi.train(tmp_path / "t.csv", output=tmp_path / "m")
    table.drop(columns="pdb").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match="no column 'pdb', which --balance pdb needs; use --balance none"):
        ppi.train(tmp_path / "t.csv", output=tmp_path / "m", settings=TrainSettings(balance="pdb"))


def test_broken_model_folders(tmp_path: Path, model_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model folder"):
        load_model(tmp_path / "absent")
    with pytest.raises(ModelError, match="lacks config.json"):
        load_model(tmp_path)
    broken = tmp_path / "broken"
    shutil.copytree(model_path, broken)
    manifest = json.loads((broken / "manifest.json").read_text())
    (broken / "manifest.json").write_text(json.dumps({**manifest, "weights_sha256": None}))
    (broken / "model.safetensors").write_bytes(b"short")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(broken)


def test_devices() -> None:
    from ppi.devices import choose_device

    assert choose_device("cpu") == "cpu"
    for name in ("gpu", "mps"):
        with pytest.raises(SettingsError, match=f"'{name}'"):
            choose_device(name)
    if not torch.cuda.is_available():
        with pytest.raises(SettingsError, match=r"finds 0 CUDA GPU\(s\)"):
            choose_device("cuda")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_cuda_predicts_what_the_cpu_predicts(model_path: Path, table_path: Path) -> None:
    on_cpu = ppi.predict(table_path, model=model_path, device="cpu")
    on_gpu = ppi.predict(table_path, model=model_path, device="cuda")
    assert np.allclose(on_cpu["pkd"], on_gpu["pkd"], atol=1e-3)
