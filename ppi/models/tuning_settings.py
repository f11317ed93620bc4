"""The settings of fine-tuning the backbone together with the head."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

TuningMethod = Literal["frozen", "full", "lora", "last-layers", "attention-heads", "head-mix"]

#: The only method that takes a setting.
_ONLY_FOR: dict[str, TuningMethod] = {
    "last_layers": "last-layers",
    "attention_heads": "attention-heads",
    "rank": "lora",
    "alpha": "lora",
    "dropout": "lora",
    "targets": "lora",
}
_HEAD = re.compile(r"[0-9]+(:[0-9]+)?")
#: Prefix of the share of heads that training chooses.
_AUTO = "auto:"
#: Default learning rate of head-mix, whose numbers are about 1, not as small as weights.
_RATE_OF_MIXES = 0.01


class TuningSettings(BaseModel):
    """Settings of fine-tuning the backbone together with the head.

    Parameters
    ----------
    method
        frozen: nothing. full: everything. lora: low-rank updates (Hu et al. 2022) of the projections.
        last-layers: the last layers. attention-heads: chosen attention heads (their rows of the query, key
        and value projections and their columns of the output projection). head-mix: one number per head, the
        fraction of its output that its mean over training complexes replaces; it starts at 0. All methods
        except frozen need a language model, and apply only to the layers that the embeddings depend on.
    learning_rate
        Peak learning rate of AdamW for the backbone; 0.01 by default for head-mix.
    last_layers
        Number of layers to train, for last-layers.
    attention_heads
        Heads to train, for attention-heads: LAYER:HEAD, both counted from 0, or LAYER for all heads of one
        layer; or auto:SHARE, such as auto:0.05, for this share of all heads, at least one: those without
        which the masked-language-model loss on training complexes rises most.
    rank
        Rank of the low-rank updates of lora.
    alpha
        The updates are scaled by alpha / rank.
    dropout
        Dropout before the updates of lora; the backbone itself has none.
    targets
        Names, or suffixes of names, of the linear layers that get an update; by default the attention
        projections of the family.
    gradient_checkpointing
        Keep only the input of each layer in memory and compute the layer again in the backward pass.

    Raises
    ------
    ValueError
        If a setting has an invalid value, or belongs to another method.
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

    @model_validator(mode="before")
    @classmethod
    def _rate_of_the_method(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("method") == "head-mix":
            return {"learning_rate": _RATE_OF_MIXES, **given}
        return given

    @model_validator(mode="after")
    def _settings_of_the_method(self) -> TuningSettings:
        fields = type(self).model_fields
        changed = {name for name in fields if getattr(self, name) != fields[name].default}
        if self.frozen and changed:
            raise ValueError(f"a frozen backbone takes no {', '.join(sorted(changed))}; choose a method")
        for name in sorted(changed & _ONLY_FOR.keys()):
            if _ONLY_FOR[name] != self.method:
                raise ValueError(f"{name} is for the method {_ONLY_FOR[name]}, not for {self.method}")
        return self

    @model_validator(mode="after")
    def _names_heads(self) -> TuningSettings:
        if len(self.attention_heads) == 1 and self.attention_heads[0].startswith(_AUTO):
            if self.share is None:
                raise ValueError(
                    f"attention_heads is {self.attention_heads[0]!r}; after {_AUTO} give the share of heads "
                    f"to train, above 0 and at most 1, such as {_AUTO}0.05"
                )
            return self
        unreadable = [name for name in self.attention_heads if not _HEAD.fullmatch(name)]
        if unreadable or (self.method == "attention-heads" and not self.attention_heads):
            found = f"{unreadable[0]!r}" if unreadable else "empty"
            raise ValueError(
                f"attention_heads is {found}; give the heads to train as LAYER:HEAD, such as 5:0, or LAYER "
                f"for all heads of a layer, or only {_AUTO}SHARE, such as {_AUTO}0.05"
            )
        return self

    @property
    def share(self) -> float | None:
        """Share of the attention heads that training chooses by their importance; None if they are named."""
        first = self.attention_heads[0] if self.attention_heads else ""
        try:
            share = float(first.removeprefix(_AUTO)) if first.startswith(_AUTO) else 0.0
        except ValueError:
            return None
        return share if 0 < share <= 1 else None

    def with_heads(self, heads: Sequence[str]) -> TuningSettings:
        """Return the settings with named heads instead of a share."""
        return self.model_copy(update={"attention_heads": tuple(heads)})

    @property
    def frozen(self) -> bool:
        """Whether the backbone is frozen."""
        return self.method == "frozen"
