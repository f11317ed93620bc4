"""What is needed to rebuild a model."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from heads.base import Head
from heads.build import build_head
from ppi.devices import Precision
from ppi.errors import SettingsError
from ppi.models.part_names import ComponentOptions, HeadName, MixerName, PoolingName
from ppi.models.tuning_settings import TuningSettings


class ModelConfig(BaseModel):
    """The architecture of a model and the scale of its labels.

    Attributes
    ----------
    format_version
        Version of the model folder.
    backbone, layers, precision
        See `ppi.backbones.registry.build_backbone`.
    head, mixer, pooling
        Names of `heads.names.HEADS`, `heads.names.MIXERS` and `heads.names.POOLINGS`.
    head_options, mixer_options, pooling_options
        For their constructors.
    heteroscedastic
        Whether the heads give the variance of what was measured, too.
    tuning
        What of the backbone was trained along with the head.
    members
        Heads in the ensemble; they share the backbone and differ in their seed.
    label_mode
        ``exact``: the label is -log10(Kd / M).
    label_mean, label_std
        A head's output times `label_std` plus `label_mean` is pKd.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[2] = 2
    backbone: str = "residue"
    layers: tuple[int, ...] = (-1,)
    precision: Precision = "auto"
    head: HeadName = "pad"
    mixer: MixerName = "convbert"
    pooling: PoolingName = "attention"
    head_options: ComponentOptions = Field(default_factory=dict)
    mixer_options: ComponentOptions = Field(default_factory=dict)
    pooling_options: ComponentOptions = Field(default_factory=dict)
    heteroscedastic: bool = False
    tuning: TuningSettings = TuningSettings()
    members: int = Field(default=1, ge=1)
    label_mode: Literal["exact"] = "exact"
    label_mean: float = 0.0
    label_std: float = Field(default=1.0, gt=0.0)

    @classmethod
    def from_settings(cls, settings: BaseModel, **others: Any) -> ModelConfig:
        """Take what settings have under the same names, and `others`."""
        shared = cls.model_fields.keys() & type(settings).model_fields.keys()
        return cls.model_validate({name: getattr(settings, name) for name in shared} | others)

    def build_head(self, dim: int) -> Head:
        """Make one head over residue embeddings of width `dim`.

        Raises
        ------
        SettingsError
            If an option is not known, or does not suit the width.
        """
        pooling_options = dict(self.pooling_options)
        if self.pooling == "layers":
            pooling_options.setdefault("layers", len(self.layers))
        try:
            return build_head(
                self.head,
                dim,
                self.mixer,
                self.pooling,
                mixer_options=self.mixer_options,
                pooling_options=pooling_options,
                heteroscedastic=self.heteroscedastic,
                **self.head_options,
            )
        except (ValueError, TypeError) as error:
            raise SettingsError(
                f"head {self.head}, mixer {self.mixer}, pooling {self.pooling}: {error}"
            ) from error
