"""How values of flags are read, how their defaults are shown, and what is wrong with a command."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, get_args

from cyclopts import App, ArgumentCollection, CoercionError, CycloptsError, MissingArgumentError


def refuse_fractions(_: App, __: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Raise if a flag for an integer is given a fraction, which cyclopts would round.

    Raises
    ------
    CoercionError
        If it is; the message names the flag and the value.
    """
    for argument in arguments:
        if _takes_integers(argument.hint):
            for token in argument.tokens:
                if _is_fraction(token.value):
                    name = token.keyword or argument.name
                    raise CoercionError(msg=f"{name} is {token.value}, but it must be a whole number")


def shown(value: Any) -> str | None:
    """Return a default as the help shows it, or None for an empty one and for a flag that is off."""
    if value is None or value is False or value in ((), {}):
        return None
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {inside}" for name, inside in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "on" if value is True else str(value)


def usage_error(error: CycloptsError) -> str:
    """Return what is wrong with a command, as one line."""
    argument = error.argument
    if not isinstance(error, MissingArgumentError) or argument is None:
        return " ".join(str(error).split())
    command = " ".join(("ppi", *(error.command_chain or ())))
    if error.keyword is None:
        keyword_only = argument.field_info.kind is inspect.Parameter.KEYWORD_ONLY
        name = argument.name if keyword_only else argument.name.lstrip("-").upper()
        return f"{command} needs {name}; `{command} --help` says what it is"
    wanted, given = argument.token_count()[0], len(error.tokens_so_far)
    return f"{error.keyword} needs {'a value' if wanted == 1 else f'{wanted} values, and has {given}'}"


def _takes_integers(hint: Any) -> bool:
    inside = get_args(hint)
    return hint is int if not inside else any(map(_takes_integers, inside)) and float not in inside


def _is_fraction(text: str) -> bool:
    try:
        return not float(text).is_integer()
    except ValueError:
        return False  # The parser says what is wrong with it.
