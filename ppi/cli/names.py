"""Types of flags that take a name: the shell completes the built-in names, but others are accepted, too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from heads.names import HEADS, MIXERS, POOLINGS
from ppi.backbones.checkpoints import CHECKPOINTS
from ppi.backbones.registry import RESIDUE
from ppi.models.readouts.names import NETWORK, READOUTS
from ppi.training.recipes import recipe_names


def _any_text_but_completed(names: Iterable[str]) -> Any:
    return Literal[tuple(names)] | str


if TYPE_CHECKING:
    BackboneName = str
    RecipeName = str
else:
    BackboneName = _any_text_but_completed([RESIDUE, *CHECKPOINTS])
    RecipeName = _any_text_but_completed(recipe_names())

#: Types of the flags of those settings of a model that are names.
NAMES_OF_SETTINGS = {
    "backbone": BackboneName,
    "head": _any_text_but_completed(HEADS),
    "mixer": _any_text_but_completed(MIXERS),
    "pooling": _any_text_but_completed(POOLINGS),
    "readout": _any_text_but_completed([NETWORK, *READOUTS]),
}
