"""The configuration from which a model is rebuilt: the user's choices and values from training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ppi.backbones.registry import check_spec
from ppi.devices import Precision
from ppi.errors import SettingsError
from ppi.models.part_names import ComponentOptions, HeadName, MixerName, PoolingName, ReadOutName
from ppi.models.readouts.names import NETWORK
from ppi.models.tuning_settings import TuningSettings
from ppi.setting_groups import SettingGroup

if TYPE_CHECKING:
    from heads.base import Head
    from ppi.models.readouts.base import ReadOut


class ModelConfig(BaseModel):
    """The architecture of a model and the scale of its labels, as in ``config.json``.

    It is part of the training settings. Training adds the fields of `found_by_training`.

    Parameters
    ----------
    format_version
        Version of the model folder.
    backbone
        Backbone whose residue embeddings the head is trained on: a name of `ppi info backbones`,
        NAME@REVISION, random-NAME-seed0, or the path of a checkpoint.
    layers
        Hidden layers of the backbone whose embeddings are concatenated; -1 is the last.
    precision
        Precision of the backbone. auto: bfloat16 if the hardware multiplies it natively, else float32. A
        backbone that is trained keeps its weights in float32 and computes in this precision.
    head
        Architecture: ec, sc, hp or pad.
    mixer
        Module between backbone and pooling: convbert, attention, mixture (of several of one kind) or none.
    pooling
        Pooling of the residue embeddings to one vector.
    head_options
        Options of the head, such as --head-options.aggregation add for hp.
    mixer_options
        Options of the mixer, such as --mixer-options.kernel 9.
    pooling_options
        Options of the pooling, such as --pooling-options.heads 4 for multihead.
    readout
        Model from the pooled vectors to pKd: network, the head's own layers; or trees, ridge or gp, which are
        fitted to the vectors plus composition and lengths, and are invariant to swapping the sides.
    readout_options
        Options of the read-out, such as --readout-options.trees 500.
    heteroscedastic
        Whether the heads also predict the variance of the measurement.
    standardised
        Whether the heads scale the columns of the embeddings. Training does so where the head's network reads
        other layers than the last, whose columns differ much in scale.
    tuning
        Which parameters of the backbone are trained together with the head, such as --tuning.method lora.
    partner_score
        Also learn to distinguish partners from randomly paired sides; needs a read-out other than network.
    members
        Number of heads to train, with seeds `seed`, `seed` + 1, ...; they share the backbone, and predictions
        are their mean. For a read-out of trees: number of forests among which the trees are divided.
    label_mode
        ``exact``: the label is -log10(Kd / M).
    label_mean, label_std
        A head's output times `label_std` plus `label_mean` is pKd.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Annotated[Literal[2], SettingGroup.FOUND] = 2
    backbone: Annotated[str, AfterValidator(check_spec)] = "residue"
    layers: tuple[int, ...] = Field(default=(-1,), min_length=1)
    precision: Annotated[Precision, SettingGroup.HARDWARE] = "auto"
    head: HeadName = "pad"
    mixer: MixerName = "convbert"
    pooling: PoolingName = "attention"
    head_options: ComponentOptions = Field(default_factory=dict)
    mixer_options: ComponentOptions = Field(default_factory=dict)
    pooling_options: ComponentOptions = Field(default_factory=dict)
    readout: ReadOutName = NETWORK
    readout_options: ComponentOptions = Field(default_factory=dict)
    heteroscedastic: Annotated[bool, SettingGroup.FOUND] = False
    standardised: Annotated[bool, SettingGroup.FOUND] = False
    tuning: Annotated[TuningSettings, SettingGroup.TUNING] = TuningSettings()
    partner_score: bool = False
    members: int = Field(default=1, ge=1, le=1000)
    label_mode: Annotated[Literal["exact"], SettingGroup.FOUND] = "exact"
    label_mean: Annotated[float, SettingGroup.FOUND] = Field(default=0.0, allow_inf_nan=False)
    label_std: Annotated[float, SettingGroup.FOUND] = Field(default=1.0, gt=0.0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _one_tuned_member(self) -> ModelConfig:
        if not self.tuning.frozen and self.members > 1:
            raise ValueError(
                f"members is {self.members}, but members share one backbone, and it must be 1 where the "
                "backbone is trained; for an ensemble, train one model per seed"
            )
        return self

    @model_validator(mode="after")
    def _readout_alone(self) -> ModelConfig:
        if self.readout == NETWORK and self.readout_options:
            raise ValueError("readout_options are given, but the read-out is the head's network")
        if self.readout == NETWORK and self.partner_score:
            raise ValueError("partner_score needs --readout trees, ridge or gp; the head's network has none")
        if self.readout in ("ridge", "gp") and self.members > 1:
            raise ValueError(f"readout {self.readout} fits one member, but members is {self.members}; give 1")
        return self

    @property
    def heads(self) -> int:
        """Number of heads of the model: one per member, but only one with a read-out other than network."""
        return self.members if self.readout == NETWORK else 1

    def build_readout(self) -> ReadOut | None:
        """Make the read-out; return None if it is the head's network.

        Raises
        ------
        SettingsError
            If an option is unknown or its value is invalid.
        """
        if self.readout == NETWORK:
            return None
        from ppi.models.readouts.base import build_readout

        try:
            return build_readout(self.readout, self.readout_options)
        except (ValueError, TypeError) as error:
            raise SettingsError(str(error)) from error

    @classmethod
    def found_by_training(cls) -> frozenset[str]:
        """Return the names of the fields that a user cannot set."""
        return frozenset(
            name for name, field in cls.model_fields.items() if SettingGroup.FOUND in field.metadata
        )

    def build_head(self, dim: int) -> Head:
        """Make one head over residue embeddings of width `dim`.

        Raises
        ------
        SettingsError
            If an option is unknown, or does not suit the width.
        """
        # This imports torch, which neither settings nor the help of the command line need.
        from heads.build import build_head

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
                standardised=self.standardised,
                **self.head_options,
            )
        except (ValueError, TypeError) as error:
            raise SettingsError(
                f"head {self.head}, mixer {self.mixer}, pooling {self.pooling}: {error}"
            ) from error
