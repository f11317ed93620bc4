"""The settings of a training run, and how they are read from YAML."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from heads.suggestions import did_you_mean
from ppi.errors import SettingsError
from ppi.models.config import ModelConfig
from ppi.models.tuning_settings import TuningSettings
from ppi.setting_groups import SettingGroup
from ppi.training.loss_names import DIVERSIFICATION, LossMix, LossName

Schedule = Literal["cosine", "constant"]
Balance = Literal["none", "auto", "pdb", "cluster"]

#: Number of residues at which a small language model with gradients fits in the memory of a laptop.
_TUNED_MICRO_RESIDUES = 4096


def check_losses(losses: dict[str, float]) -> dict[str, float]:
    """Return the losses if all names are known and one of them is a loss of the predictions."""
    known = get_args(LossName)
    for name in losses:
        if name not in known:
            raise ValueError(
                f"unknown loss {name!r}; there are {', '.join(known)}{did_you_mean(name, known)}"
            )
    if losses.keys() == {DIVERSIFICATION}:
        raise ValueError(
            f"{DIVERSIFICATION} alone does not learn pKd; add another loss, such as --losses.mse 1"
        )
    return losses


class TrainSettings(BaseModel):
    """Settings of a training run.

    The settings of the model, `model`, may also be given directly, as in ``TrainSettings(head="hp",
    seed=1)``, and in YAML files. The defaults are those of the recipe ``network``; for the settings of the
    bundled model, see `ppi.training.recipes.recipe_settings`.

    Parameters
    ----------
    model
        Settings of the model to train.
    head_precision
        Precision in which the head computes in training; its weights are float32. On a CPU with native
        bfloat16 products, bfloat16 halves the time with a language model, and saves nothing with the 48
        residue descriptors.
    truncate
        Shorten complexes over the backbone's limit, with a warning, instead of raising an error.
    losses
        Loss to minimise: a weighted sum of mse, huber, gaussian (which also predicts the noise), listmle and
        margin (which rank), such as --losses.mse 1 --losses.listmle 0.5. With a mixer whose attention forms
        weights, diversification may be added: the mean cosine similarity, 0 to 1, between the attention of
        different residues.
    seed
        Seed of the first member.
    balance
        Draw rows by group, so that no mutation series outweighs the rest. pdb: by PDB entry, and cluster: by
        sequence cluster; both need a column of this name. auto: pdb if the table has this column, else none.
    per_group
        Maximum number of rows of one group in one epoch, if rows are balanced.
    max_epochs
        Maximum number of epochs.
    patience
        Stop after this many epochs without a better validation Spearman.
    learning_rate
        Peak learning rate of AdamW for the head.
    weight_decay
        Weight decay of AdamW.
    warmup_fraction
        Fraction of all steps over which the learning rate rises.
    schedule
        Learning rate after the warm-up: cosine decays to zero, constant does not change.
    batch_residues
        Number of residues in the batch of one optimiser step.
    micro_residues
        Number of residues that are computed at once; a larger batch is computed in pieces. By default 4,096
        if the backbone is trained, else the full batch.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[ModelConfig, SettingGroup.MODEL] = ModelConfig()
    head_precision: Annotated[Literal["float32", "bfloat16"], SettingGroup.HARDWARE] = "float32"
    truncate: Annotated[bool, SettingGroup.DATA] = False
    losses: Annotated[dict[str, Annotated[float, Field(gt=0)]], AfterValidator(check_losses)] = Field(
        default={"mse": 1.0}, min_length=1
    )
    seed: int = Field(default=0, ge=0, le=2**31)
    balance: Annotated[Balance, SettingGroup.DATA] = "none"
    per_group: Annotated[int, SettingGroup.DATA] = Field(default=4, ge=1)
    max_epochs: int = Field(default=30, ge=1)
    patience: int = Field(default=5, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_fraction: float = Field(default=0.05, ge=0, lt=1)
    schedule: Schedule = "cosine"
    batch_residues: int = Field(default=16_384, ge=1)
    micro_residues: Annotated[int | None, SettingGroup.HARDWARE] = Field(default=None, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _model_inside(cls, given: Any) -> Any:
        """Move settings of the model that were given directly into `model`."""
        if not isinstance(given, Mapping):
            return given
        beside = {name: value for name, value in given.items() if name in ModelConfig.model_fields}
        rest = {name: value for name, value in given.items() if name not in beside}
        inside = rest.get("model", {})
        if not beside or not isinstance(inside, Mapping | ModelConfig):
            return rest
        chosen = inside.model_dump(exclude_unset=True) if isinstance(inside, ModelConfig) else dict(inside)
        _refuse_twice(beside, chosen)
        return {**rest, "model": {**chosen, **beside}}

    @field_validator("model")
    @classmethod
    def _chosen_only(cls, model: ModelConfig) -> ModelConfig:
        for name in sorted(model.model_fields_set & ModelConfig.found_by_training()):
            if getattr(model, name) != ModelConfig.model_fields[name].default:
                raise ValueError(f"{name} is determined by training and cannot be set; remove it")
        return model

    @property
    def micro_budget(self) -> int:
        """Number of residues that are computed at once."""
        frozen = self.model.tuning.frozen
        largest = self.batch_residues if frozen else min(self.batch_residues, _TUNED_MICRO_RESIDUES)
        return self.micro_residues or largest

    @property
    def label_losses(self) -> LossMix:
        """Losses of the predicted pKd, with the factor of each."""
        found = {name: factor for name, factor in self.losses.items() if name != DIVERSIFICATION}
        return cast(LossMix, found)

    def flat(self) -> dict[str, Any]:
        """Return all settings as in YAML files, with those of the model on the top level."""
        content = self.model_dump(mode="json")
        model = content.pop("model")
        return {name: model[name] for name in model if name not in ModelConfig.found_by_training()} | content


def setting_names() -> list[str]:
    """Return the names of all settings, with those of the model on the top level."""
    return list(TrainSettings().flat())


def flattened(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a mapping of settings with those of a section ``model`` on the top level.

    Raises
    ------
    SettingsError
        If a setting is both in the section and on the top level; the message begins with `where`.
    """
    inside = content.get("model")
    if not isinstance(inside, Mapping):
        return dict(content)
    beside = {name: value for name, value in content.items() if name != "model"}
    try:
        _refuse_twice(beside, inside)
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from error
    return {**beside, **inside}


def _refuse_twice(beside: Mapping[str, Any], inside: Mapping[str, Any]) -> None:
    for name in sorted(beside.keys() & inside.keys()):
        raise ValueError(f"{name} is given twice, inside model and on the top level; remove one of the two")


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the settings in a YAML file, with those of a section ``model`` on the top level.

    Raises
    ------
    SettingsError
        If the file cannot be read or is not a mapping, or a setting is given twice.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: the file is not a mapping of settings, such as `head: hp`")
    return flattened(content, str(path))


def settings_from_yaml(path: str | os.PathLike[str]) -> TrainSettings:
    """Read settings from a YAML file; those of the model may be in a section ``model`` or on the top level.

    Raises
    ------
    SettingsError
        If the file cannot be read, is not a mapping, or has an unknown key or an impossible value.
    """
    return checked_settings(read_settings(path), str(path))


def checked_settings(content: Mapping[str, Any], where: str) -> TrainSettings:
    """Return validated settings from a mapping.

    Raises
    ------
    SettingsError
        If a key is unknown (the message has the nearest name) or a value is invalid; it begins with `where`.
    """
    try:
        return TrainSettings.model_validate(content)
    except ValidationError as error:
        place, message = first_fault(error)
        raise SettingsError(f"{where}: {'.'.join(place) or 'settings'}: {message}") from error


def first_fault(error: ValidationError) -> tuple[list[str], str]:
    """Return the setting that is wrong, as the keys that lead to it, and what is wrong with it.

    There are no keys if settings contradict each other.
    """
    first = error.errors()[0]
    place = [str(step) for step in first["loc"]]
    place = place[1:] if place[:1] == ["model"] else place
    if first["type"] == "extra_forbidden":
        return place, f"there is no such setting{_nearest_key(place)}"
    given = "" if first["type"] == "value_error" else f", not {first['input']!r}"
    return place, first["msg"].removeprefix("Value error, ") + given


def _nearest_key(place: list[str]) -> str:
    known = list(TuningSettings.model_fields) if place[:-1] == ["tuning"] else setting_names()
    return did_you_mean(place[-1], known) or f"; there are {', '.join(known)}"
