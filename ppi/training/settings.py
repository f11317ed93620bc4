"""The settings of one training run: defaults, then a YAML file, then flags."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from heads.registry import ComponentOptions, HeadName, MixerName, PoolingName
from ppi.backbones.registry import check_spec
from ppi.devices import Precision
from ppi.errors import SettingsError


def read_options(given: Any) -> Any:
    """Read options as the command line gives them: text as YAML does, names with dashes or underscores."""
    if not isinstance(given, dict):
        return given
    return {
        str(name).replace("-", "_"): yaml.safe_load(value) if isinstance(value, str) else value
        for name, value in given.items()
    }


class TrainSettings(BaseModel):
    """Settings of a training run.

    Parameters
    ----------
    backbone
        Frozen backbone whose residue embeddings the head is trained on: a name of `ppi info backbones`,
        NAME@REVISION, random-NAME-seed0, or the path of a checkpoint.
    layers
        Hidden layers of the backbone whose embeddings are put side by side; -1 is the last.
    precision
        Of the backbone. auto: bfloat16 where the hardware multiplies it natively, else float32.
    head
        Architecture: ec, sc, hp or pad.
    mixer
        What stands between backbone and pooling.
    pooling
        How residues become one vector.
    head_options
        Of the head, such as --head-options.aggregation add for hp.
    mixer_options
        Of the mixer, such as --mixer-options.kernel 9.
    pooling_options
        Of the pooling, such as --pooling-options.heads 4 for multihead.
    truncate
        Shorten complexes over the backbone's limit, and say so, instead of refusing them.
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
        Peak rate of AdamW.
    weight_decay
        Weight decay of AdamW.
    warmup_fraction
        Part of all steps over which the rate rises; a cosine takes it down to zero afterwards.
    batch_residues
        Residues in a batch.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: Annotated[str, AfterValidator(check_spec)] = "residue"
    layers: tuple[int, ...] = Field(default=(-1,), min_length=1)
    precision: Precision = "auto"
    head: HeadName = "pad"
    mixer: MixerName = "convbert"
    pooling: PoolingName = "attention"
    head_options: Annotated[ComponentOptions, BeforeValidator(read_options)] = Field(default_factory=dict)
    mixer_options: Annotated[ComponentOptions, BeforeValidator(read_options)] = Field(default_factory=dict)
    pooling_options: Annotated[ComponentOptions, BeforeValidator(read_options)] = Field(default_factory=dict)
    truncate: bool = False
    members: int = Field(default=1, ge=1, le=1000)
    seed: int = Field(default=0, ge=0, le=2**31)
    balance: Literal["none", "pdb", "cluster"] = "none"
    per_group: int = Field(default=4, ge=1)
    max_epochs: int = Field(default=30, ge=1)
    patience: int = Field(default=5, ge=1)
    learning_rate: float = Field(default=5e-4, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_fraction: float = Field(default=0.05, ge=0, lt=1)
    batch_residues: int = Field(default=16_384, ge=1)


def settings_from_yaml(path: str | os.PathLike[str], overrides: dict[str, Any]) -> TrainSettings:
    """Read settings from YAML; `overrides` win.

    Raises
    ------
    SettingsError
        If the file cannot be read, is not a mapping, or has an unknown key or an impossible value.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: a mapping of settings was expected")
    try:
        return TrainSettings.model_validate({**content, **overrides})
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
