"""Heads, mixers and poolings from their names and options."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from heads.base import Head
from heads.mixers.base import Mixer
from heads.names import HEADS, MIXERS, POOLINGS
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
        Of the mixer and the pooling; see the classes of their names.
    options
        Of the head; see the class of its name and `heads.base.Head`.

    Raises
    ------
    ValueError
        If a name or an option is not known, or the width does not suit the head or the mixer.
    """
    make_mixer = partial(build_mixer, MIXERS.check(mixer), options=mixer_options)
    make_pooling = partial(build_pooling, POOLINGS.check(pooling), options=pooling_options)
    if "side_pooling" in options_of(HEADS.find(name), filled_in=3):
        options.setdefault("side_pooling", _pooling_of_chains(pooling))
    head: Head = make_part(HEADS, name, dim, make_mixer, make_pooling, options=options)
    return head


def build_mixer(name: str, dim: int, options: Mapping[str, Any] | None = None) -> Mixer:
    """Make a mixer for rows of width `dim`.

    Raises
    ------
    ValueError
        If the name or an option is not known, or the width does not suit the mixer.
    TypeError
        If what is listed under the name is no mixer.
    """
    mixer = make_part(MIXERS, name, dim, options=options)
    if not isinstance(mixer, Mixer):
        raise TypeError(
            f"the mixer {name} is a {type(mixer).__name__}; derive the class from heads.mixers.base.Mixer"
        )
    return mixer


def build_pooling(name: str, dim: int, options: Mapping[str, Any] | None = None) -> Pooling:
    """Make a pooling for rows of width `dim`.

    Raises
    ------
    ValueError
        If the name or an option is not known, or the width does not suit the pooling.
    TypeError
        If what is listed under the name is no pooling.
    """
    pooling = make_part(POOLINGS, name, dim, options=options)
    if not isinstance(pooling, Pooling):
        raise TypeError(
            f"the pooling {name} is a {type(pooling).__name__}; derive the class from "
            "heads.poolings.base.Pooling"
        )
    return pooling


def _pooling_of_chains(pooling: str) -> str:
    """Return the pooling of a side's chains, which have no order, that goes with a pooling of residues."""
    kind = POOLINGS.find(pooling)
    demanding = any(option.required for option in options_of(kind, filled_in=1).values())
    return "attention" if demanding or kind.order_sensitive else pooling
