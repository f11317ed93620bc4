"""Make the cells of a study from its settings: one configuration, split and seed each."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ppi.backbones.checkpoints import CHECKPOINTS
from ppi.backbones.registry import RESIDUE
from ppi.errors import SettingsError
from ppi.study.settings import StudySettings, Values, nearest
from ppi.training.settings import TrainSettings, checked_settings, flattened, setting_names

_UNSAFE = re.compile(r"[^A-Za-z0-9._,=+@-]+")


@dataclass(frozen=True)
class Configuration:
    """A configuration that is compared with others.

    Attributes
    ----------
    name
        Name made from the varied settings; it is also the name of a folder.
    given
        Values that the study varies, by name.
    settings
        Settings of its training runs, except the seed.
    """

    name: str
    given: Values
    settings: TrainSettings


@dataclass(frozen=True)
class Cell:
    """One training run of a study: names of its configuration and split, its seed and all its settings."""

    configuration: str
    split: str
    seed: int
    settings: TrainSettings

    @property
    def name(self) -> str:
        """Name of its folder."""
        return f"{self.split}--{self.configuration}--seed{self.seed}"

    def request(self, data_sha256: str) -> str:
        """Return a hash of everything that determines the result: settings, data and split."""
        content = {"settings": self.settings.flat(), "data_sha256": data_sha256}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def make_cells(
    configurations: Sequence[Configuration], splits: Sequence[str], seeds: Sequence[int]
) -> list[Cell]:
    """Return a cell for each seed, configuration and split; a first seed of all comes before a second."""
    return [
        Cell(item.name, split, seed, item.settings.model_copy(update={"seed": seed}))
        for seed in seeds
        for split in splits
        for item in configurations
    ]


def make_configurations(study: StudySettings, where: str) -> list[Configuration]:
    """Return the configurations of a study: the grid without the excluded ones, then the included ones.

    Parameters
    ----------
    study
        Settings of the study.
    where
        Prefix of the messages.

    Raises
    ------
    SettingsError
        If a configuration has an unknown key or an impossible value, two are the same, none is left, an
        exclusion leaves nothing out, or a reference is none of them.
    """
    made = [_configuration(given, study, where) for given in (*_combinations(study, where), *study.include)]
    if not made:
        raise SettingsError(f"{where}: the exclusions leave no configuration")
    seen: dict[str, Configuration] = {}
    for item in made:
        for key in (item.settings.model_dump_json(), item.name.lower()):
            if key in seen:
                other = seen[key]
                raise SettingsError(
                    f"{where}: {_as_text(other.given)} and {_as_text(item.given)} are the same configuration"
                )
            seen[key] = item
    names = [item.name for item in made]
    for reference in study.references:
        if reference not in names:
            raise SettingsError(
                f"{where}: references: there is no configuration {reference}{nearest(reference, names)}"
            )
    return made


def slug(value: Any) -> str:
    """Return a value as a part of a file name; distinct values give distinct names.

    If characters of a text are replaced, six digits of its hash are added; of a path only the last part is
    kept.
    """
    if isinstance(value, Mapping):
        return ",".join(f"{name}={slug(inside)}" for name, inside in value.items()) or "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(slug, value)) or "none"
    text = "none" if value is None else str(value)
    text = text.lower() if isinstance(value, bool) else text
    safe = _UNSAFE.sub("-", PurePath(text.replace(":", ".")).name).strip(".")
    changed = safe != text.replace(":", ".")
    return f"{safe}-{hashlib.sha256(text.encode()).hexdigest()[:6]}" if changed else safe


def _combinations(study: StudySettings, where: str) -> list[Values]:
    if not study.grid and study.include:
        return []
    rows = [dict(zip(study.grid, values, strict=True)) for values in itertools.product(*study.grid.values())]
    kept, known = rows, setting_names()
    for excluded in study.exclude:
        for name in excluded:
            if name.partition(".")[0] not in known:
                raise SettingsError(f"{where}: exclude: there is no setting {name}{nearest(name, known)}")
        wanted = _flat(excluded)
        hit = [row for row in rows if wanted.items() <= _flat_settings(row, study, where).items()]
        if not hit:
            raise SettingsError(f"{where}: exclude: no combination of the grid has {_as_text(excluded)}")
        kept = [row for row in kept if row not in hit]
    return kept


def _configuration(given: Values, study: StudySettings, where: str) -> Configuration:
    name = _name(given, study.grid)
    content = _with_values(study.fixed, given, where)
    settings = checked_settings(content, f"{where}: configuration {name}")
    return Configuration(name, given, _with_absolute_backbone(settings))


def _with_absolute_backbone(settings: TrainSettings) -> TrainSettings:
    """Return settings with the absolute path of a local checkpoint, because cells run in the folder of the
    study.
    """
    backbone = settings.model.backbone
    name = backbone.partition("@")[0]
    if name == RESIDUE or name in CHECKPOINTS or not Path(backbone).exists():
        return settings
    model = settings.model.model_copy(update={"backbone": str(Path(backbone).resolve())})
    return settings.model_copy(update={"model": model})


def _name(given: Values, grid: Mapping[str, Any]) -> str:
    # In a name of the grid, the position identifies the setting of a value.
    whole = grid.keys() <= given.keys()
    words = []
    for name in (*(key for key in grid if key in given), *(key for key in given if key not in grid)):
        value = slug(given[name])
        plain = whole and name in grid and isinstance(given[name], str)
        words.append(value if plain else f"{name.rpartition('.')[2]}={value}")
    return "-".join(words) or "fixed"


def _with_values(content: Values, values: Values, where: str) -> Values:
    """Return settings in which each of `values`, its name perhaps dotted, replaces what was there."""
    result: Values = {}
    for name, value in (*content.items(), *values.items()):
        *path, last = name.split(".")
        place = result
        for step in path:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise SettingsError(
                    f"{where}: {name}: {step} is {place!r}, give a mapping there, so that {last} can be set "
                    "in it"
                )
        place[last] = copy.deepcopy(value)
    return flattened(result, where)


def _flat_settings(row: Values, study: StudySettings, where: str) -> Values:
    """Return every setting of a combination by dotted name, before its validation."""
    return _flat(TrainSettings().flat()) | _flat(_with_values(study.fixed, row, where))


def _flat(content: Values) -> Values:
    return dict(_pairs(content, ""))


def _pairs(content: Values, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in content.items():
        if isinstance(value, dict) and value:
            yield from _pairs(value, f"{prefix}{name}.")
        else:
            yield prefix + name, _comparable(value)


def _comparable(value: Any) -> str:
    """Return text that is the same for 0.0005 and the text 5e-4, which YAML does not take for a number."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_comparable, value))}]"
    try:
        return repr(value if isinstance(value, bool) else float(value))
    except (TypeError, ValueError):
        return repr(value)


def _as_text(given: Values) -> str:
    return ", ".join(f"{name} {value}" for name, value in given.items()) or "the fixed settings"
