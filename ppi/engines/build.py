"""Engines by name."""

from __future__ import annotations

from typing import Literal, get_args

from ppi.engines.base import Engine
from ppi.engines.local import LocalEngine
from ppi.errors import SettingsError

EngineName = Literal["local", "ray"]


def build_engine(name: EngineName) -> Engine:
    """Make an engine.

    Raises
    ------
    SettingsError
        If there is no such engine, or its packages are not installed.
    """
    if name not in get_args(EngineName):
        raise SettingsError(f"the engine is {name!r}; give {' or '.join(map(repr, get_args(EngineName)))}")
    if name == "local":
        return LocalEngine()
    from ppi.engines.ray import RayEngine

    return RayEngine()
