"""The settings of a study: varied and shared training settings, splits and seeds."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from heads.suggestions import did_you_mean
from ppi.datasets import SHIPPED_DATASET
from ppi.errors import SettingsError

#: Settings of a training run that the study itself decides.
_OWN = {"seed": "seeds lists the seeds", "members": "a cell trains one member; seeds lists the seeds"}

Values = dict[str, Any]


def _as_list(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


class StudySettings(BaseModel):
    """Settings of a study.

    Keys of `fixed`, `grid`, `exclude` and `include` are those of `ppi.training.settings.TrainSettings`; a
    setting inside a mapping may be named with a dot, such as ``tuning.method``.

    Parameters
    ----------
    data
        Table with pKd, or ``ppb-affinity``, the data set that ships in the package.
    splits
        Columns of the table, or CSV files, with the parts; ``fold:0`` for a fold. ``development`` for the
        five folds of the development cross-validation (`ppi.study.development.cross_validate`), whose
        predicted rows are scored together.
    seeds
        Seeds; each configuration and split is run once per seed.
    fixed
        Settings that all configurations share.
    grid
        Values of each varied setting; every combination is a configuration.
    exclude
        Combinations that have all values of one of these are excluded.
    include
        Additional configurations.
    references
        Names of configurations with which all others are compared; by default all pairs are compared.
    jobs
        Cells that run at the same time.
    threads
        Number of CPU threads of each cell.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: str = SHIPPED_DATASET
    splits: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = Field(min_length=1)
    seeds: tuple[Annotated[int, Field(ge=0, le=2**31)], ...] = Field(default=(0, 1, 2), min_length=1)
    fixed: Values = Field(default_factory=dict)
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)
    exclude: tuple[Annotated[Values, Field(min_length=1)], ...] = ()
    include: tuple[Annotated[Values, Field(min_length=1)], ...] = ()
    references: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    jobs: int = Field(default=1, ge=1)
    threads: int = Field(default=1, ge=1)

    @field_validator("splits", "seeds")
    @classmethod
    def _once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        twice = [value for value in values if values.count(value) > 1]
        if twice:
            raise ValueError(f"{twice[0]!r} is listed twice")
        return values

    @field_validator("fixed", "grid", "include")
    @classmethod
    def _not_its_own(cls, values: Values | tuple[Values, ...]) -> Values | tuple[Values, ...]:
        for mapping in values if isinstance(values, tuple) else (values,):
            for name in mapping.keys() & _OWN.keys():
                raise ValueError(f"{name} cannot be varied or fixed here: {_OWN[name]}")
        return values


def read_study(path: str | os.PathLike[str]) -> StudySettings:
    """Read the settings of a study from YAML.

    Raises
    ------
    SettingsError
        If the file cannot be read, is not a mapping, or has an unknown key (the message names the nearest)
        or an impossible value.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: the file is not a mapping of settings, such as `splits: [split]`")
    try:
        return StudySettings.model_validate(content)
    except ValidationError as error:
        # An unknown key may explain why another one is missing.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        place = ".".join(map(str, first["loc"]))
        hint = nearest(place, StudySettings.model_fields) if first["type"] == "extra_forbidden" else ""
        raise SettingsError(f"{path}: {place}: {first['msg']}{hint}") from error


def nearest(name: str, known: Iterable[str]) -> str:
    """Return suggestions for an unknown name, as the end of a message."""
    names = list(known)
    return did_you_mean(name, names) or f"; there are {', '.join(names)}"
