"""Command-line options of a script from a dataclass of settings, without a library."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import types
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Settings = TypeVar("Settings")


def add_options(parser: argparse.ArgumentParser, settings: type) -> None:
    """Add an option for each field of a dataclass; the help is the description of the field in its
    docstring.
    """
    described = _descriptions(settings.__doc__ or "")
    group, hints = parser.add_argument_group(settings.__name__), get_type_hints(settings)
    for field in dataclasses.fields(settings):
        kind = _without_none(hints[field.name])
        text = described[field.name].replace("%", "%%")
        default = "" if field.default is None else f" (default: {field.default})"
        more: dict[str, Any] = {"type": kind}
        if kind is bool:
            more = {"action": argparse.BooleanOptionalAction}
        elif get_origin(kind) is Literal:
            more = {"choices": get_args(kind)}
        group.add_argument(
            "--" + field.name.replace("_", "-"), default=field.default, help=text + default, **more
        )


def taken(settings: type[Settings], given: argparse.Namespace) -> Settings:
    """Return the settings from the parsed options.

    Raises
    ------
    SettingsError
        If the dataclass rejects a value.
    """
    names = [field.name for field in dataclasses.fields(settings)]  # type: ignore[arg-type]
    return settings(**{name: getattr(given, name) for name in names})


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        return next(kind for kind in get_args(hint) if kind is not type(None))
    return hint


def _descriptions(docstring: str) -> dict[str, str]:
    """Return the description of each name in the section Parameters of a NumPy docstring."""
    # Python 3.13 removes the indentation of a docstring itself.
    section = re.split(r"\n(?:Parameters|Raises)\n-+\n", inspect.cleandoc(docstring))[1]
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in filter(str.strip, section.splitlines()):
        if not line.startswith(" "):
            names = [name.strip() for name in line.split(",")]
        for name in names if line.startswith(" ") else []:
            found.setdefault(name, []).append(line.strip())
    return {name: " ".join(lines) for name, lines in found.items()}


def path_list(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for the sequence files and the output folder."""
    parser.add_argument(
        "corpus", nargs="+", type=Path, help="sequences, one per line, or FASTA; plain, gzip or xz"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for model, log and checkpoints")
