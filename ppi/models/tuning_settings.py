"""What of the backbone is trained along with the head."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

TuningMethod = Literal["frozen", "full", "lora", "last-layers", "attention-heads"]


class TuningSettings(BaseModel):
    """What of the backbone is trained along with the head.

    Parameters
    ----------
    method
        frozen: nothing. full: everything. lora: low-rank updates (Hu et al. 2022) of the projections.
        last-layers: the last layers. attention-heads: chosen attention heads.
    learning_rate
        Peak rate of AdamW for the backbone.
    last_layers
        How many layers, for last-layers.
    attention_heads
        Which, for attention-heads: LAYER:HEAD, both counted from 0, or LAYER for all heads of one layer.
    rank
        Of the low-rank updates.
    alpha
        The updates are scaled by alpha / rank.
    dropout
        Before the updates.
    targets
        Names of the modules that get an update; by default the attention projections of the family.
    gradient_checkpointing
        Compute each layer twice, and keep only its input in memory.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: TuningMethod = "frozen"
    learning_rate: float = Field(default=5e-5, gt=0)
    last_layers: int = Field(default=1, ge=1)
    attention_heads: tuple[str, ...] = ()
    rank: int = Field(default=8, ge=1)
    alpha: float = Field(default=16.0, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: tuple[str, ...] = ()
    gradient_checkpointing: bool = False

    @model_validator(mode="after")
    def _names_heads(self) -> TuningSettings:
        if (self.method == "attention-heads") != bool(self.attention_heads):
            raise ValueError(
                "attention_heads names the heads to train (LAYER:HEAD, such as 5:0) where the method is "
                "attention-heads, and only there"
            )
        return self

    @property
    def frozen(self) -> bool:
        """Whether the backbone stays as it is."""
        return self.method == "frozen"
