"""Models with a read-out: trained, saved, loaded, symmetric, and refused when damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

import ppi
from data_curation.files import sha256_of
from ppi.complexes import Complex
from ppi.errors import InputError, ModelError, SettingsError
from ppi.io.tables import read_complexes
from ppi.models.folder import load_model
from ppi.models.readouts.names import READOUTS
from ppi.prediction.engine import predict_members
from ppi.training.settings import TrainSettings, checked_settings

FIXED = {"head": "hp", "mixer": "none", "pooling": "statistics", "members": 2}


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory, table_path: Path) -> Path:
    """A model of trees that also tells partners."""
    folder = tmp_path_factory.mktemp("models") / "trees"
    settings = TrainSettings(**FIXED, readout="trees", readout_options={"trees": 20}, partner_score=True)
    ppi.train(table_path, output=folder, settings=settings)
    return folder


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("head", ["ec", "hp", "pad", "sc"])
def test_each_head_below_each_readout_is_saved_and_symmetric(
    tmp_path: Path, table_path: Path, head: str, readout: str
) -> None:
    options = {"symmetric": True} if head == "sc" else {}
    members = 2 if readout == "trees" else 1
    settings = TrainSettings(
        head=head,
        mixer="none",
        pooling="mean",
        head_options=options,
        readout=readout,
        max_epochs=1,
        members=members,
    )
    trained = ppi.train(table_path, output=tmp_path / "model", settings=settings)
    assert trained.model.swap_invariant
    complexes = read_complexes(table_path).complexes[:8]
    expected = predict_members(trained.model, complexes)
    loaded = predict_members(load_model(tmp_path / "model").model, complexes)
    np.testing.assert_array_equal(loaded.pkd, expected.pkd)
    assert expected.pkd.shape == (members, 8)
    assert np.ptp(expected.pkd) > 0
    exchanged = [Complex(item.id, item.receptor, item.ligand) for item in complexes]
    np.testing.assert_allclose(predict_members(trained.model, exchanged).pkd, expected.pkd, atol=1e-4)


def test_a_head_with_parameters_is_trained_before_its_readout(tmp_path: Path, table_path: Path) -> None:
    settings = TrainSettings(head="hp", mixer="none", pooling="attention", readout="ridge", max_epochs=2)
    trained = ppi.train(table_path, output=tmp_path / "learnt", settings=settings)
    assert len(trained.manifest["members"]) == 1
    state = load_file(tmp_path / "learnt" / "model.safetensors")
    assert "heads.0.chain_pooling.scorer.weight" in state or any("chain_pooling" in name for name in state)
    assert not any("network" in name or "regressor" in name for name in state)


def test_trees_repeat_and_tell_partners(tmp_path: Path, trees: Path, table_path: Path) -> None:
    settings = checked_settings(json.loads((trees / "manifest.json").read_text())["settings"], "manifest")
    ppi.train(table_path, output=tmp_path / "again", settings=settings)
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == (
        trees / "model.safetensors"
    ).read_bytes()
    table = ppi.predict(table_path, model=trees)
    assert table["partner_score"].between(0, 1).all()
    wrong = ppi.predict([Complex("w", ("ACDEFGHIKLMNPQRSTVWY" * 3,), ("WWWWWWWWWWYYYYY",))], model=trees)
    train = pd.read_csv(table_path)["split"] == "train"
    assert table["partner_score"][train].mean() > wrong["partner_score"].iloc[0] + 0.1


def test_a_prediction_does_not_depend_on_the_others(trees: Path, table_path: Path) -> None:
    complexes = read_complexes(table_path).complexes[:10]
    model = load_model(trees).model
    together = predict_members(model, complexes)
    alone = np.concatenate([predict_members(model, [item]).pkd for item in complexes], axis=1)
    np.testing.assert_array_equal(together.pkd, alone)


def test_damaged_and_foreign_trees_are_refused(tmp_path: Path, trees: Path) -> None:
    folder = Path(shutil.copytree(trees, tmp_path / "model"))
    good = load_file(folder / "model.safetensors")

    def refused(change: dict[str, torch.Tensor], message: str) -> None:
        save_file(change, folder / "model.safetensors")
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["weights_sha256"] = sha256_of(folder / "model.safetensors")
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(ModelError, match=message):
            load_model(folder)

    refused({name: array for name, array in good.items() if name != "readout.right"}, "right is missing")
    refused(good | {"readout.right": good["readout.right"] * 0}, "the trees are damaged")
    refused(good | {"readout.partners.starts": good["readout.partners.starts"] + 1}, "the trees are damaged")
    refused({name: array for name, array in good.items() if "partners" not in name}, "its trees are missing")
    refused({name: array for name, array in good.items() if name != "readout.centre"}, "centre is missing")
    refused(good | {"readout.centre": good["readout.centre"] * np.nan}, "NaN or infinite")
    refused(good | {"readout.centre": good["readout.centre"][:-1]}, "do not fit each other")


def test_impossible_readouts_are_refused(tmp_path: Path, table_path: Path) -> None:
    with pytest.raises(SettingsError, match="readout: there is no read-out 'forest'"):
        checked_settings({"readout": "forest"}, "flags")
    with pytest.raises(
        SettingsError, match="readout_options are given, but the read-out is the head's network"
    ):
        checked_settings({"readout_options": {"trees": 3}}, "flags")
    with pytest.raises(SettingsError, match="readout ridge fits one member, but members is 2; give 1"):
        checked_settings({"readout": "ridge", "members": 2}, "flags")
    with pytest.raises(SettingsError, match="partner_score needs --readout trees, ridge or gp"):
        checked_settings({"partner_score": True}, "flags")
    settings = TrainSettings(**FIXED, readout="trees", readout_options={"leafs": 3})
    with pytest.raises(SettingsError, match="read-out trees has no option 'leafs'"):
        ppi.train(table_path, output=tmp_path / "model", settings=settings)


def test_wrong_partners_need_other_targets(tmp_path: Path, table_path: Path) -> None:
    frame = pd.read_csv(table_path)
    frame.loc[frame["split"] == "train", ["cluster", "pdb"]] = ["one", "1ABC"]
    frame.to_csv(tmp_path / "one.csv", index=False)
    settings = TrainSettings(**FIXED, readout="trees", readout_options={"trees": 5}, partner_score=True)
    with pytest.raises(InputError, match="has no wrong partner"):
        ppi.train(tmp_path / "one.csv", output=tmp_path / "model", settings=settings)
