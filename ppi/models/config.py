"""What is needed to rebuild a model."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from heads.registry import HeadName, MixerName, PoolingName
from ppi.devices import Precision


class ModelConfig(BaseModel):
    """The architecture of a model and the scale of its labels.

    Attributes
    ----------
    format_version
        Version of the model folder.
    backbone, layers, precision
        See `ppi.backbones.registry.build_backbone`.
    head, mixer, pooling
        Names in the registries.
    members
        Heads in the ensemble; they share the backbone and differ in their seed.
    label_mode
        ``exact``: the label is -log10(Kd / M).
    label_mean, label_std
        A head's output times `label_std` plus `label_mean` is pKd.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = 1
    backbone: str = "residue"
    layers: tuple[int, ...] = (-1,)
    precision: Precision = "auto"
    head: HeadName = "pad"
    mixer: MixerName = "convbert"
    pooling: PoolingName = "attention"
    members: int = Field(default=1, ge=1)
    label_mode: Literal["exact"] = "exact"
    label_mean: float = 0.0
    label_std: float = Field(default=1.0, gt=0.0)
