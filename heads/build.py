"""Build heads, mixers and poolings from their names and options."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from heads.base import Head
from heads.mixers.base import Mixer
from heads.names import HEADS, MIXERS, POOLINGS, PartTable
from heads.options import make_part, options_of
from heads.poolings.base import Pooling


def build_head(
    name: str,
    dim: int,
    mixer: str = "convbert",
    pooling: str = "attention",
    *,
    mixer_options: Mapping[str, Any] | None = None,
    pooling_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Head:
    """Make a head for residue embeddings of width `dim`.

    Parameters
    ----------
    name, mixer, pooling
        Names of `heads.names.HEADS`, `heads.names.MIXERS` and `heads.names.POOLINGS`.
    dim
        Width of the residue embeddings.
    mixer_options, pooling_options
        Options of the mixer and the pooling; see the classes of these names.
    options
        Options of the head; see the class of this name and `heads.base.Head`.

    Raises
    ------
    ValueError
        If a name or an option is not known, or the width does not suit the head or a part.
    TypeError
        If the name is registered for something of another kind.
    """
    make_mixer = partial(build_mixer, MIXERS.check(mixer), options=mixer_options)
    make_pooling = partial(build_pooling, POOLINGS.check(pooling), options=pooling_options)
    if "side_pooling" in options_of(HEADS.find(name), filled_in=3):
        options.setdefault("side_pooling", _pooling_of_chains(pooling))
    head: Head = _made(HEADS, name, Head, dim, make_mixer, make_pooling, options=options)
    return head


def build_mixer(name: str, dim: int, options: Mapping[str, Any] | None = None) -> Mixer:
    """Make a mixer for rows of width `dim`.

    Raises
    ------
    ValueError
        If the name or an option is not known, or the width does not suit the mixer.
    TypeError
        If the name is registered for something that is not a mixer.
    """
    mixer: Mixer = _made(MIXERS, name, Mixer, dim, options=options)
    return mixer


def build_pooling(name: str, dim: int, options: Mapping[str, Any] | None = None) -> Pooling:
    """Make a pooling for rows of width `dim`.

    Raises
    ------
    ValueError
        If the name or an option is not known, or the width does not suit the pooling.
    TypeError
        If the name is registered for something that is not a pooling.
    """
    pooling: Pooling = _made(POOLINGS, name, Pooling, dim, options=options)
    return pooling


def _made(table: PartTable, name: str, kind: type, *arguments: Any, options: Mapping[str, Any] | None) -> Any:
    """Make a part and check that it is one."""
    made = make_part(table, name, *arguments, options=options)
    if not isinstance(made, kind):
        raise TypeError(
            f"the {table.kind} {name} is a {type(made).__name__}; derive the class from "
            f"{kind.__module__}.{kind.__name__}"
        )
    return made


def _pooling_of_chains(pooling: str) -> str:
    """Return the default pooling of a side's chains, which have no order, for a given pooling of residues."""
    kind = POOLINGS.find(pooling)
    if not kind.suits_chains:
        return "mean"
    demanding = any(option.required for option in options_of(kind, filled_in=1).values())
    return "attention" if demanding or kind.order_sensitive else pooling
