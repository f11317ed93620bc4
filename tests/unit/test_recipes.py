"""Recipes: the settings that ship, and what a user changes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY

import ppi
from ppi.errors import SettingsError
from ppi.training.recipes import (
    chosen_settings,
    recipe_content,
    recipe_names,
    recipe_settings,
    recipe_summaries,
    recipe_text,
)
from ppi.training.settings import TrainSettings


def test_the_default_recipe_is_that_of_the_bundled_model() -> None:
    manifest = REPOSITORY / "ppi" / "weights" / "default" / "manifest.json"
    shipped = json.loads(manifest.read_text())["settings"]
    assert recipe_settings("default").flat() == shipped | {"balance": "auto"}  # the data set has PDB entries
    assert shipped["balance"] == "pdb"
    assert recipe_settings() == chosen_settings() == recipe_settings("default")
    assert ppi.recipe_settings is recipe_settings


def test_the_recipe_network_has_the_defaults_of_the_settings() -> None:
    assert recipe_settings("network") == TrainSettings()
    assert recipe_content("network").keys() <= TrainSettings().flat().keys()


def test_every_recipe_is_valid_and_has_a_line_that_describes_it() -> None:
    assert recipe_names() == ["default", "finetune", "network"]
    for name, summary in recipe_summaries().items():
        assert recipe_settings(name).flat().items() >= {"truncate": False}.items()
        assert summary.endswith(".")
        assert yaml.safe_load(recipe_text(name)) == recipe_content(name)
    assert not recipe_settings("finetune").model.tuning.frozen


@pytest.mark.parametrize(
    ("changes", "dropped"),
    [
        ({"backbone": "residue"}, {"layers": (-1,)}),
        ({"readout": "ridge"}, {"readout_options": {}, "members": 1, "partner_score": False}),
        ({"readout": "network"}, {"readout_options": {}, "members": 1, "partner_score": False}),
        ({"readout": "trees"}, {}),
        ({"head": "pad", "seed": 3}, {}),
    ],
)
def test_what_belongs_to_a_replaced_part_is_dropped(changes: dict[str, Any], dropped: dict[str, Any]) -> None:
    expected = recipe_content("default") | changes | dropped
    assert recipe_settings("default", **changes) == TrainSettings(**expected)


def test_options_of_the_same_part_change_one_by_one() -> None:
    changed = recipe_settings("default", readout="trees", readout_options={"trees": 20}).model
    assert changed.readout_options == {"blocks": 6, "group_power": 1.0, "trees": 20}
    assert changed.members == 200


def test_a_file_alone_does_not_depend_on_the_default_recipe(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("head: ec\n")
    assert chosen_settings(config=path) == TrainSettings(head="ec")
    assert chosen_settings("default", path) == recipe_settings("default", head="ec")
    path.write_text(yaml.safe_dump(recipe_settings("default", seed=4).flat()))
    assert chosen_settings(config=path, flags={"seed": 5}) == recipe_settings("default", seed=5)


@pytest.mark.parametrize(
    ("recipe", "flags", "message"),
    [
        ("absent", {}, "there is no recipe 'absent'; there are default, finetune, network"),
        ("../recipes/default", {}, "there is no recipe"),
        ("default", {"learning_rate": -1}, "^--learning-rate: Input should be greater than 0, not -1$"),
        ("default", {"tuning": {"rank": 0, "method": "lora"}}, "^--tuning.rank: Input should be"),
        (
            None,
            {"tuning": {"method": "lora"}},
            "members is 200.*; what you did not give is from recipe default",
        ),
    ],
)
def test_wrong_choices_name_the_flag_or_the_recipe(
    recipe: str | None, flags: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        chosen_settings(recipe, flags=flags)


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text("learning_rate: -1\n")
    with pytest.raises(SettingsError, match=r"settings.yaml: learning_rate: Input should be greater"):
        chosen_settings("default", path, {"seed": 1})
    with pytest.raises(SettingsError, match="changes: leraning_rate|there is no such setting; did you mean"):
        recipe_settings(leraning_rate=1)
