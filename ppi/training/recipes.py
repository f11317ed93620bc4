"""Recipes: named settings of a training run that ship in the package, and what a user changes of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from heads.suggestions import did_you_mean
from ppi.errors import SettingsError
from ppi.models.config import ModelConfig
from ppi.training.settings import TrainSettings, first_fault, flattened, read_settings

#: Recipe of the bundled model, and of every training that names no other.
DEFAULT_RECIPE = "default"
_FOLDER = Path(__file__).parents[1] / "recipes"

#: Settings that only mean something for one choice of a part; they are dropped where another is chosen.
_BELONG_TO = {
    "backbone": ("layers",),
    "head": ("head_options",),
    "mixer": ("mixer_options",),
    "pooling": ("pooling_options",),
    "readout": ("readout_options", "partner_score", "members"),
}

#: Where settings come from, and the settings, from the weakest to the strongest source.
Sources = Sequence[tuple[str, Mapping[str, Any]]]
_FLAGS = "flags"


def recipe_names() -> list[str]:
    """Return the names of the recipes, the default first."""
    names = sorted(path.stem for path in _FOLDER.glob("*.yaml"))
    return sorted(names, key=lambda name: name != DEFAULT_RECIPE)


def recipe_summaries() -> dict[str, str]:
    """Return what each recipe is, by its name: the comment on the first line of its file."""
    return {name: recipe_text(name).splitlines()[0].removeprefix("# ") for name in recipe_names()}


def recipe_text(name: str) -> str:
    """Return the YAML file of a recipe.

    Raises
    ------
    SettingsError
        If there is no such recipe; the message lists the names.
    """
    return _recipe_path(name).read_text(encoding="utf-8")


def recipe_content(name: str) -> dict[str, Any]:
    """Return the settings that a recipe names.

    Raises
    ------
    SettingsError
        If there is no such recipe; the message lists the names.
    """
    return read_settings(_recipe_path(name))


def recipe_settings(name: str = DEFAULT_RECIPE, **changes: Any) -> TrainSettings:
    """Return the settings of a recipe, as `ppi train --recipe` uses them.

    Parameters
    ----------
    name
        One of `ppi info recipes`.
    changes
        Settings that differ from the recipe, such as ``seed=1``. If they choose another part than the recipe,
        what the recipe says about its own part is dropped: the layers of the backbone, the options of the
        head, mixer and pooling, and of the read-out the options, ``members`` and ``partner_score``.

    Raises
    ------
    SettingsError
        If there is no such recipe or setting, or a value is invalid.
    """
    return _combined([(f"recipe {name}", recipe_content(name)), ("changes", flattened(changes, "changes"))])


def chosen_settings(
    recipe: str | None = None,
    config: str | os.PathLike[str] | None = None,
    flags: Mapping[str, Any] | None = None,
    *,
    base: str | None = DEFAULT_RECIPE,
) -> TrainSettings:
    """Return the settings of a recipe, a file and flags; a flag wins over the file, and that over the recipe.

    Parameters
    ----------
    recipe
        Name of a recipe; by default `base`, or none if there is a file.
    config
        YAML file of settings.
    flags
        Settings given as flags.
    base
        Name of the recipe that is used if neither a recipe nor a file is given; None for none.

    Raises
    ------
    SettingsError
        If there is no such recipe, the file cannot be read, or a setting is unknown or has an invalid value.
    """
    sources: list[tuple[str, Mapping[str, Any]]] = []
    if (name := recipe or (base if config is None else None)) is not None:
        sources.append((f"recipe {name}", recipe_content(name)))
    if config is not None:
        sources.append((str(config), read_settings(config)))
    return _combined([*sources, (_FLAGS, flattened(flags or {}, _FLAGS))])


def with_changes(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with changes, without options of parts that the changes replace.

    Nested mappings are merged key by key, but ``losses`` are replaced as a unit.
    """
    kept = dict(content)
    for part, belonging in _BELONG_TO.items():
        default = ModelConfig.model_fields[part].default
        if part in changes and changes[part] != content.get(part, default):
            kept = {name: value for name, value in kept.items() if name not in belonging}
    return _merged(kept, changes)


def _merged(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(content)
    for name, value in changes.items():
        inside = merged.get(name)
        if name != "losses" and isinstance(inside, Mapping) and isinstance(value, Mapping):
            merged[name] = _merged(inside, value)
        else:
            merged[name] = value
    return merged


def _combined(sources: Sources) -> TrainSettings:
    content: dict[str, Any] = {}
    for _, given in sources:
        content = with_changes(content, given)
    try:
        return TrainSettings.model_validate(content)
    except ValidationError as error:
        place, message = first_fault(error)
        raise SettingsError(_message(sources, place, message)) from error


def _message(sources: Sources, place: Sequence[str], message: str) -> str:
    """Return an error message that begins with the flag, or the file and the setting, that is wrong."""
    for where, given in reversed(sources):
        if place and _names(given, place):
            flag = f"--{'.'.join(place).replace('_', '-')}"
            return f"{flag}: {message}" if where == _FLAGS else f"{where}: {'.'.join(place)}: {message}"
    used = " and ".join(where for where, given in sources if given)
    first = sources[0][0]
    hint = f"; what you did not give is from {first}" if first.startswith("recipe") else ""
    return f"{used}: {message}{hint}"


def _names(given: Mapping[str, Any], place: Sequence[str]) -> bool:
    if place[0] not in given:
        return False
    inside = given[place[0]]
    return len(place) == 1 or not isinstance(inside, Mapping) or _names(inside, place[1:])


def _recipe_path(name: str) -> Path:
    names = recipe_names()
    if name not in names:
        raise SettingsError(
            f"there is no recipe {name!r}; there are {', '.join(names)}. A file of your own needs --config"
            f"{did_you_mean(name, names)}"
        )
    return _FOLDER / f"{name}.yaml"
