"""`ppi train --upcycle`: members become experts of one mixture, which is trained, saved and loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from conftest import batch_of

import ppi
from heads.base import Head
from ppi.cli import main
from ppi.errors import SettingsError
from ppi.io.tables import read_complexes
from ppi.models.affinity import AffinityModel
from ppi.models.folder import load_model
from ppi.training.settings import TrainSettings
from ppi.training.upcycling import Upcycling

#: ConvBERT in a head whose sides have mixers of their own: every kind of weight.
MODEL = {
    "head": "hp",
    "mixer": "convbert",
    "mixer_options": {"kernel": 3},
    "head_options": {"mixer_per_side": True},
}
RUN = {"batch_residues": 800, "max_epochs": 1}


@pytest.fixture(scope="module")
def trained(table_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two model folders, with two members and with one."""
    folder = tmp_path_factory.mktemp("members")
    for name, members in (("two", 2), ("one", 1)):
        settings = TrainSettings(**MODEL, **RUN, members=members, seed=7 * members)
        ppi.train(table_path, output=folder / name, settings=settings)
    return folder / "two", folder / "one"


def test_each_member_is_an_expert_and_the_rest_is_that_of_the_first(trained: tuple[Path, Path]) -> None:
    upcycling = Upcycling.read(trained)
    config = upcycling.settings(TrainSettings()).model
    assert (config.mixer, config.members, config.head) == ("mixture", 1, "hp")
    assert config.mixer_options == {"expert": "convbert", "expert_options": {"kernel": 3}, "experts": 3}
    scaled = config.model_copy(update={"label_mean": 6.0, "label_std": 1.5})
    model = AffinityModel(scaled, seed=0)
    upcycling.fill(model)
    members = [cast(Head, head) for path in trained for head in load_model(path).model.heads]
    for name in ("mixer", "receptor_mixer"):
        mixture: Any = getattr(model.head, name)
        for expert, member in zip(mixture.experts, members, strict=True):
            own = getattr(member, name).state_dict()
            assert own.keys() == expert.state_dict().keys()
            assert all(torch.equal(own[key], value) for key, value in expert.state_dict().items())
        assert mixture.router.weight.abs().max() < 0.01


def test_a_mixture_of_one_member_twice_predicts_as_this_member(trained: tuple[Path, Path]) -> None:
    """Equal experts change nothing, whatever the router says and whatever the labels of the new training."""
    upcycling = Upcycling.read([trained[1], trained[1]])
    config = upcycling.settings(TrainSettings()).model
    model = AffinityModel(config.model_copy(update={"label_mean": 6.0, "label_std": 1.5}), seed=0).eval()
    upcycling.fill(model)
    single = load_model(trained[1]).model
    complexes = [
        ppi.Complex("one", ("ACDEFGHIKLMN", "WYV"), ("MNPQRSTVWY",)),
        ppi.Complex("two", ("GG",), ("ACDEF", "KLMNP")),
    ]
    batch = batch_of(single.backbone, complexes, "chain")
    with torch.no_grad():
        torch.testing.assert_close(model(batch).pkd, single(batch).pkd)


def test_the_mixture_is_trained_saved_and_predicts_the_same(
    trained: tuple[Path, Path], table_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "mixture"
    flags = ["--batch-residues", "800", "--max-epochs", "1", "--mixer-options.top-k", "2"]
    upcycle = [part for path in trained for part in ("--upcycle", str(path))]
    main(["train", "--data", str(table_path), *upcycle, "--output", str(output), *flags])
    assert "model written to" in capsys.readouterr().err
    loaded = load_model(output)
    assert loaded.model.config.mixer_options["top_k"] == 2
    assert [source["name"] for source in loaded.manifest["upcycled"]] == ["two", "one"]
    assert [source["members"] for source in loaded.manifest["upcycled"]] == [2, 1]
    assert all(len(source["weights_sha256"]) == 64 for source in loaded.manifest["upcycled"])
    # Experts and router have moved from where they started.
    mixture: Any = loaded.model.head.mixer
    start: Any = cast(Head, load_model(trained[0]).model.heads[0]).mixer
    moved = zip(mixture.experts[0].parameters(), start.parameters(), strict=True)
    assert all(not torch.equal(one, other) for one, other in moved)
    complexes = read_complexes(table_path).complexes[:5]
    first = ppi.Predictor(output, novelty=False).predict(complexes)
    loaded.model.save_pretrained(tmp_path / "again")
    again = AffinityModel.from_pretrained(tmp_path / "again")
    state, other = loaded.model.trained_state(), again.trained_state()
    assert all(torch.equal(state[name], other[name]) for name in state)
    second = ppi.Predictor(output, novelty=False).predict(complexes)
    np.testing.assert_array_equal(first["pkd"], second["pkd"])


def test_the_trained_model_in_memory_is_that_of_the_folder(
    trained: tuple[Path, Path], table_path: Path, tmp_path: Path
) -> None:
    settings = TrainSettings(**RUN, mixer_options={"route": "residue"})
    made = ppi.train(table_path, output=tmp_path / "mixture", settings=settings, upcycle=[trained[0]])
    complexes = read_complexes(table_path).complexes[:5]
    batch = batch_of(made.model.backbone, complexes, "chain")
    with torch.no_grad():
        assert torch.equal(made.model(batch).pkd, load_model(tmp_path / "mixture").model(batch).pkd)


@pytest.fixture(scope="module")
def unfit(table_path: Path, tiny_backbone: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models that cannot be upcycled."""
    folder = tmp_path_factory.mktemp("unfit")
    others: dict[str, dict[str, Any]] = {
        "trees": {"readout": "trees", "head": "hp", "mixer": "none", "pooling": "mean"},
        "wider": {**MODEL, "mixer_options": {"kernel": 5}},
        "tuned": {**MODEL, "backbone": tiny_backbone, "tuning": {"method": "last-layers"}},
        "noise": {**MODEL, "losses": {"gaussian": 1.0}, "members": 2},
    }
    for name, settings in others.items():
        ppi.train(table_path, output=folder / name, settings=TrainSettings(**{**RUN, **settings}))
    return {name: folder / name for name in others}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["one"], "has one member, but a mixture needs two experts or more"),
        (["trees", "two"], "has the read-out trees, which has no members to make experts of"),
        (["plain"], "has no mixer to make experts of; give a model with convbert or attention"),
        (
            ["two", "wider"],
            "has mixer_options {'kernel': 5}, but .* has {'kernel': 3}; experts need the same",
        ),
        (["tuned", "tuned"], "has a backbone that was trained with its head"),
    ],
)
def test_models_that_do_not_fit_are_refused(
    names: list[str],
    message: str,
    trained: tuple[Path, Path],
    unfit: dict[str, Path],
    model_path: Path,
) -> None:
    paths = {"two": trained[0], "one": trained[1], "plain": model_path, **unfit}
    with pytest.raises(SettingsError, match=message):
        Upcycling.read([paths[name] for name in names])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"head": "pad"}, "head is 'pad', but the models to upcycle make it 'hp'; leave it out"),
        ({"members": 3}, "members is 3, but the models to upcycle make it 1; leave it out"),
        ({"mixer": "convbert"}, "mixer is 'convbert', but the models to upcycle make it 'mixture'"),
        ({"mixer_options": {"experts": 4}}, "mixer_options.experts is 4, .* make it 2; leave it out"),
        ({"losses": {"gaussian": 1.0}}, "the models to upcycle do not predict the noise of the measurement"),
    ],
)
def test_settings_that_contradict_the_models_are_refused(
    given: dict[str, Any], message: str, trained: tuple[Path, Path]
) -> None:
    with pytest.raises(SettingsError, match=message):
        Upcycling.read([trained[0]]).settings(TrainSettings(**given))


def test_members_that_predict_noise_need_its_loss(unfit: dict[str, Path]) -> None:
    upcycling = Upcycling.read([unfit["noise"]])
    with pytest.raises(SettingsError, match="predict the noise of the measurement; give --losses.gaussian"):
        upcycling.settings(TrainSettings())
    config = upcycling.settings(TrainSettings(losses={"gaussian": 1.0}, head="hp")).model
    model = AffinityModel(config.model_copy(update={"heteroscedastic": True}), seed=0)
    upcycling.fill(model)
    assert model.head.outputs == 2


def test_a_recipe_beside_the_models_is_refused(
    trained: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["train", "--upcycle", str(trained[0]), "--recipe", "finetune", "--output", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match="1"):
        main(given)
    assert "--recipe finetune names an architecture, but --upcycle takes that of its models" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()
