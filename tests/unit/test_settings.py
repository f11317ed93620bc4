"""One object of settings, whose model is the saved configuration; from defaults, a file and flags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import ValidationError

from ppi.cli import app
from ppi.cli.flags import flags_of
from ppi.errors import SettingsError
from ppi.models.config import ModelConfig
from ppi.setting_groups import SettingGroup
from ppi.training.recipes import chosen_settings
from ppi.training.settings import TrainSettings, setting_names, settings_from_yaml


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def flags(*words: str) -> dict[str, Any]:
    """Return what the command line makes of flags for settings."""
    _, bound, _ = app.parse_args(["train", "--output", "x", *words], exit_on_error=False, print_error=False)
    given: dict[str, Any] = bound.arguments["settings"]
    return given


def test_settings_of_the_model_stand_inside_or_beside() -> None:
    inside = TrainSettings(model=ModelConfig(head="hp", members=2), seed=1)
    assert inside == TrainSettings(**{"head": "hp", "members": 2, "seed": 1})
    assert inside == TrainSettings(**{"model": {"head": "hp"}, "members": 2, "seed": 1})
    assert inside == TrainSettings(**{"model": ModelConfig(head="hp"), "members": 2, "seed": 1})
    with pytest.raises(ValidationError, match="head is given twice, inside model and on the top level"):
        TrainSettings(**{"model": {"head": "hp"}, "head": "ec"})


def test_flat_settings_are_read_back_the_same(path: Path) -> None:
    settings = TrainSettings(
        model=ModelConfig(backbone="esm2-8m", head="hp", head_options={"aggregation": "add"}, layers=(1, -1)),
        losses={"listmle": 0.5},
    )
    path.write_text(yaml.safe_dump(settings.flat()))
    assert settings_from_yaml(path) == settings
    assert set(settings.flat()) == set(setting_names())
    assert not set(settings.flat()) & {"model", "label_mean", "format_version"}


def test_settings_come_from_defaults_then_yaml_then_flags(path: Path) -> None:
    for content in ("head: ec\nseed: 3\nmembers: 2\n", "model: {head: ec, members: 2}\nseed: 3\n"):
        path.write_text(content)
        settings = chosen_settings(config=path, flags=flags("--seed", "5", "--members", "4"))
        assert (settings.model.head, settings.model.members, settings.seed) == ("ec", 4, 5)
        assert settings.model.mixer == ModelConfig().mixer


def test_flags_are_flat_and_name_no_model() -> None:
    words = ["--head", "hp", "--mixer", "none", "--head-options.lengths", "true", "--tuning.method", "full"]
    words += ["--head-options.side-pooling-options.heads", "6", "--backbone", "esm2-8m", "--layers", "3"]
    model = chosen_settings("network", flags=flags(*words, "--layers", "-1")).model
    assert (model.head, model.mixer) == ("hp", "none")
    assert model.head_options == {"lengths": True, "side_pooling_options": {"heads": 6}}
    assert (model.tuning.method, model.backbone, model.layers) == ("full", "esm2-8m", (3, -1))


def test_flags_win_over_yaml_key_by_key_but_losses_are_replaced(path: Path) -> None:
    path.write_text(json.dumps({"tuning": {"method": "lora", "rank": 4}, "losses": {"mse": 1}}))
    given = flags("--losses.listmle", "0.5", "--tuning.rank", "2")
    settings = chosen_settings(config=path, flags=given)
    assert (settings.model.tuning.method, settings.model.tuning.rank) == ("lora", 2)
    assert settings.losses == {"listmle": 0.5}


def test_every_setting_is_a_flag_and_what_training_finds_is_none() -> None:
    help_of = flags_of(TrainSettings, SettingGroup.OPTIMISATION).__annotations__
    names = {*help_of, *get_args(help_of.pop("model"))[0].__annotations__} - {"model"}
    assert names == set(setting_names())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"heads": "ec"}, "heads: there is no such setting; did you mean head?"),
        ({"learning_rat": 1}, "learning_rat: there is no such setting; did you mean learning_rate?"),
        ({"model": {"heda": "hp"}}, "heda: there is no such setting; did you mean head?"),
        ({"model": {"head": "hp"}, "head": "ec"}, "head is given twice"),
        ({"head": "xx"}, "settings.yaml: head: "),
        ({"tuning": {"ranks": 4}}, "tuning.ranks: there is no such setting; did you mean rank?"),
        ({"losses": {"mae": 1}}, "losses: .*unknown loss 'mae'; there are mse, huber"),
        ({"losses": {}}, "losses: "),
        ({"members": 10_000_000}, "members: "),
        ({"tuning": {"method": "attention-heads"}}, "attention_heads is .*; give the heads to train"),
        ({"tuning": {"method": "full"}, "members": 3}, "members is 3, but members share one backbone"),
        ({"label_mean": 3.0}, "label_mean is determined by training and cannot be set"),
        (["ec"], "is not a mapping of settings"),
    ],
)
def test_unfit_settings(path: Path, content: Any, message: str) -> None:
    path.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=message):
        settings_from_yaml(path)


def test_unreadable_settings(path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        settings_from_yaml(path)
    path.write_text("head: [")
    with pytest.raises(SettingsError, match="cannot be read as YAML"):
        settings_from_yaml(path)
