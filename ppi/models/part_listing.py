"""Lists of the parts that a model is made of, from their tables and the docstrings of their classes."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import yaml

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
    flag
        Flag of `ppi train` for options.
    no_options
        Parameters that other settings determine.
    """

    table: PartTable
    supplied: int
    flag: str
    no_options: tuple[str, ...] = ()


PART_KINDS = {
    "heads": PartKind(HEADS, 3, "--head-options", no_options=("heteroscedastic",)),
    "mixers": PartKind(MIXERS, 1, "--mixer-options"),
    "attentions": PartKind(ATTENTIONS, 2, "--mixer-options.attention-options"),
    "poolings": PartKind(POOLINGS, 1, "--pooling-options"),
    "readouts": PartKind(READOUTS, 0, "--readout-options"),
}


def list_parts(kind: str) -> str:
    """Return the name of each part of a kind and the first sentence of its docstring, as lines of text.

    Parameters
    ----------
    kind
        Key of `PART_KINDS`. Parts that another package has registered are listed as well.
    """
    table = PART_KINDS[kind].table
    width = max(map(len, table)) + 2
    return "".join(f"{name:{width}}{_summary(table.find(name))}\n" for name in table)


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


def _summary(part: type) -> str:
    """Return the first paragraph of the docstring as one line; empty if a class has no docstring."""
    text = inspect.cleandoc(part.__doc__ or "")
    return " ".join(text.partition("\n\n")[0].replace("`", "").split())
