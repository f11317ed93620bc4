"""Lists of the parts that a model is made of, from their tables and what their classes say of themselves."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import yaml

from heads.about import About
from heads.names import ATTENTIONS, HEADS, MIXERS, POOLINGS, PartTable
from heads.options import describe, options_of
from ppi.models.readouts.names import READOUTS


class PartKind(NamedTuple):
    """A kind of part.

    Attributes
    ----------
    table
        Table of its parts.
    supplied
        Number of leading parameters of a constructor that `heads.build` supplies.
    chosen_by
        Flags of `ppi train` before the name.
    flag
        Flag of `ppi train` for options.
    no_options
        Parameters that other settings determine.
    """

    table: PartTable
    supplied: int
    chosen_by: str
    flag: str
    no_options: tuple[str, ...] = ()


PART_KINDS = {
    "heads": PartKind(HEADS, 3, "--head", "--head-options", no_options=("heteroscedastic", "standardised")),
    "mixers": PartKind(MIXERS, 1, "--mixer", "--mixer-options"),
    "attentions": PartKind(
        ATTENTIONS, 2, "--mixer attention --mixer-options.attention", "--mixer-options.attention-options"
    ),
    "poolings": PartKind(POOLINGS, 1, "--pooling", "--pooling-options"),
    "readouts": PartKind(READOUTS, 0, "--readout", "--readout-options"),
}


def list_parts(kind: str) -> str:
    """Return a heading, and a line of text for each part of a kind.

    A line has the name, the growth of time with the number of residues where parts of the kind state it, the
    purpose or else the first paragraph of the docstring, and the source.

    Parameters
    ----------
    kind
        Key of `PART_KINDS`. Parts that another package has registered are listed as well.
    """
    table, chosen_by = PART_KINDS[kind].table, PART_KINDS[kind].chosen_by
    abouts = {name: _about(table.find(name)) for name in table}
    costs = {about.cost for about in abouts.values()} - {""}
    names, growths = max(map(len, abouts)) + 2, max((len(cost) + 2 for cost in costs), default=0)
    growth = ", growth of time with n residues" if costs else ""
    lines = [f"{chosen_by} NAME: name{growth}, purpose, source", ""]
    for name, about in abouts.items():
        source = f" [{about.source}]" if about.source else ""
        lines.append(f"{name:{names}}{about.cost:{growths}}{about.purpose}{source}")
    return "\n".join(lines) + "\n"


def describe_part(kind: str, name: str) -> str:
    """Return the docstring of a part and its options, with their types and defaults, as text.

    Raises
    ------
    ValueError
        If there is no part of this name; the message lists the names.
    """
    kind_of_part = PART_KINDS[kind]
    table, part = kind_of_part.table, kind_of_part.table.find(name)
    options = {
        f"{kind_of_part.flag}.{option.replace('_', '-')}": takes
        for option, takes in options_of(part, kind_of_part.supplied).items()
        if option not in kind_of_part.no_options
    }
    width = max(map(len, options), default=0) + 2
    lines = [f"{table.kind} {name}: {_summary(part)}", "" if options else "It has no options."]
    for flag, takes in options.items():
        default = "required" if takes.required else f"default {_yaml(takes.default)}"
        lines.append(f"  {flag:{width}}{describe(takes.annotation)}; {default}")
    return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    """Return a value as the flag takes it."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).splitlines()[0]


def _about(part: type) -> About:
    """Return what a class itself states, or else its summary; what its parent states is about the parent."""
    stated: About | None = vars(part).get("about")
    return stated or About("", "", _summary(part))


def _summary(part: type) -> str:
    """Return the first paragraph of the docstring as one line; empty if a class has no docstring."""
    text = inspect.cleandoc(part.__doc__ or "")
    return " ".join(text.partition("\n\n")[0].replace("`", "").split())
