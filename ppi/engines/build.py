"""Engines by name."""

from __future__ import annotations

from typing import Literal

from ppi.engines.base import Engine
from ppi.engines.local import LocalEngine
from ppi.errors import SettingsError

EngineName = Literal["local", "ray"]


def build_engine(name: EngineName) -> Engine:
    """Make an engine.

    Raises
    ------
    SettingsError
        If there is no such engine in this version.
    """
    if name == "local":
        return LocalEngine()
    if name == "ray":
        raise SettingsError(
            "the engine 'ray' is not available in this version: its extra, ppi-affinity[ray], is a reserved "
            "name that installs nothing yet. Use the engine 'local'"
        )
    raise SettingsError(f"the engine is {name!r}; 'local' is the one that there is")
