"""How values of flags are read, and how their defaults are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from cyclopts import App, ArgumentCollection, CoercionError


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


def _takes_integers(hint: Any) -> bool:
    inside = get_args(hint)
    return hint is int if not inside else any(map(_takes_integers, inside)) and float not in inside


def _is_fraction(text: str) -> bool:
    try:
        return not float(text).is_integer()
    except ValueError:
        return False  # The parser says what is wrong with it.
