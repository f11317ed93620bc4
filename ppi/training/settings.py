"""The settings of one training run: defaults, then a YAML file, then flags."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from ppi.backbones.registry import check_spec
from ppi.devices import Precision
from ppi.errors import SettingsError
from ppi.models.part_names import ComponentOptions, HeadName, MixerName, PoolingName
from ppi.models.tuning_settings import TuningSettings
from ppi.training.loss_names import LossName

Schedule = Literal["cosine", "constant"]

#: Residues whose states in a small language model and their gradients fit the memory of a laptop.
_TUNED_MICRO_RESIDUES = 4096


def read_options(given: Any) -> Any:
    """Read options as the command line gives them: text as YAML does, names with dashes or underscores."""
    if not isinstance(given, dict):
        return given
    return {
        str(name).replace("-", "_"): yaml.safe_load(value) if isinstance(value, str) else read_options(value)
        for name, value in given.items()
    }


def check_losses(losses: dict[str, float]) -> dict[str, float]:
    """Return losses that are all known."""
    known = get_args(LossName)
    for name in losses:
        if name not in known:
            raise ValueError(f"unknown loss {name!r}; there are {', '.join(known)}")
    return losses


class TrainSettings(BaseModel):
    """Settings of a training run.

    Parameters
    ----------
    backbone
        Backbone whose residue embeddings the head is trained on: a name of `ppi info backbones`,
        NAME@REVISION, random-NAME-seed0, or the path of a checkpoint.
    layers
        Hidden layers of the backbone whose embeddings are put side by side; -1 is the last.
    precision
        Of the backbone. auto: bfloat16 where the hardware multiplies it natively, else float32. A backbone
        that is trained keeps its weights in float32 and computes in this precision.
    head_precision
        In which the head computes in training; its weights are float32. On a CPU that multiplies it natively
        bfloat16 halves the time over a language model, and gains nothing over the 48 residue descriptors.
    tuning
        What of the backbone is trained along with the head, such as --tuning.method lora.
    head
        Architecture: ec, sc, hp or pad.
    mixer
        What stands between backbone and pooling: convbert, attention or none.
    pooling
        How residues become one vector: attention, mean, max, sigmoid, multihead, gated, token-aware or
        layers.
    head_options
        Of the head, such as --head-options.aggregation add for hp.
    mixer_options
        Of the mixer, such as --mixer-options.kernel 9 for convbert.
    pooling_options
        Of the pooling, such as --pooling-options.heads 4 for multihead.
    truncate
        Shorten complexes over the backbone's limit, and say so, instead of refusing them.
    losses
        What is minimised: a weighted sum of mse, huber, gaussian (which predicts the noise, too), listmle and
        margin (which rank), such as --losses.mse 1 --losses.listmle 0.5.
    members
        Heads to train, with seeds `seed`, `seed` + 1, ...; predictions are their mean.
    seed
        Seed of the first member.
    balance
        Draw rows by group, so that no mutation series outweighs the rest: not at all, by PDB entry, or
        by sequence cluster; needs a column `pdb` or `cluster`.
    per_group
        Most rows of one group in one epoch, where rows are balanced.
    max_epochs
        Epochs at most.
    patience
        Stop after this many epochs without a better validation Spearman.
    learning_rate
        Peak rate of AdamW for the head.
    weight_decay
        Weight decay of AdamW.
    warmup_fraction
        Part of all steps over which the rate rises.
    schedule
        Of the rate afterwards: cosine takes it down to zero, constant leaves it.
    batch_residues
        Residues in the batch of one optimiser step.
    micro_residues
        Residues that go through the model at once, where a batch is computed in pieces; by default 4,096
        where the backbone is trained, else the whole batch.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: Annotated[str, AfterValidator(check_spec)] = "residue"
    layers: tuple[int, ...] = Field(default=(-1,), min_length=1)
    precision: Precision = "auto"
    head_precision: Literal["float32", "bfloat16"] = "float32"
    tuning: TuningSettings = TuningSettings()
    head: HeadName = "pad"
    mixer: MixerName = "convbert"
    pooling: PoolingName = "attention"
    head_options: Annotated[ComponentOptions, BeforeValidator(read_options)] = Field(default_factory=dict)
    mixer_options: Annotated[ComponentOptions, BeforeValidator(read_options)] = Field(default_factory=dict)
    pooling_options: Annotated[ComponentOptions, BeforeValidator(read_options)] = Field(default_factory=dict)
    truncate: bool = False
    losses: Annotated[dict[str, Annotated[float, Field(gt=0)]], AfterValidator(check_losses)] = Field(
        default={"mse": 1.0}, min_length=1
    )
    members: int = Field(default=1, ge=1, le=1000)
    seed: int = Field(default=0, ge=0, le=2**31)
    balance: Literal["none", "pdb", "cluster"] = "none"
    per_group: int = Field(default=4, ge=1)
    max_epochs: int = Field(default=30, ge=1)
    patience: int = Field(default=5, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_fraction: float = Field(default=0.05, ge=0, lt=1)
    schedule: Schedule = "cosine"
    batch_residues: int = Field(default=16_384, ge=1)
    micro_residues: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _one_tuned_member(self) -> TrainSettings:
        if not self.tuning.frozen and self.members > 1:
            raise ValueError(
                "members share one backbone: one that is trained has one member; train a model for each seed"
            )
        return self

    @property
    def micro_budget(self) -> int:
        """Residues that go through the model at once."""
        whole = self.batch_residues if self.tuning.frozen else min(self.batch_residues, _TUNED_MICRO_RESIDUES)
        return self.micro_residues or whole


def settings_from_yaml(path: str | os.PathLike[str], overrides: dict[str, Any]) -> TrainSettings:
    """Read settings from YAML; `overrides` win.

    Raises
    ------
    SettingsError
        If the file cannot be read, is not a mapping, or has an unknown key or an impossible value.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: a mapping of settings was expected")
    return checked_settings(_merged(content, overrides), str(path))


def checked_settings(content: Mapping[str, Any], where: str) -> TrainSettings:
    """Return settings from a mapping.

    Raises
    ------
    SettingsError
        If a key is not known (the message names the nearest) or a value is not possible; it begins with
        `where`.
    """
    try:
        return TrainSettings.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = list(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            message = f"there is no such setting{_nearest_key(place)}"
        else:
            message = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{where}: {'.'.join(place) or 'settings'}: {message}") from error


def _nearest_key(place: list[str]) -> str:
    known = list((TuningSettings if place[:-1] == ["tuning"] else TrainSettings).model_fields)
    near = get_close_matches(place[-1], known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"


def _merged(content: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping in which `overrides` win, key by key also in the mappings inside."""
    merged = dict(content)
    for key, value in overrides.items():
        inside = merged.get(key)
        if isinstance(inside, dict) and isinstance(value, dict):
            merged[key] = _merged(inside, value)
        else:
            merged[key] = value
    return merged
