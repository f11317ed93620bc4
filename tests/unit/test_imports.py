"""Imports run one way (the contracts of pyproject.toml), and public names are functions and types."""

from __future__ import annotations

import importlib
import types

import pytest
from conftest import REPOSITORY
from importlinter import cli

import ppi


def test_no_import_leaves_its_floor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # It would silence all loggers that exist, for the tests that follow.
    monkeypatch.setattr("importlinter.cli.logging_config.dictConfig", lambda _: None)
    status = cli.lint_imports(config_filename=str(REPOSITORY / "pyproject.toml"), no_cache=True)
    assert status == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_every_public_name_stays_what_it_is_when_modules_are_imported() -> None:
    """A function must not have the name of a module of the package, which would replace it."""
    for name, module in ppi._PUBLIC.items():
        importlib.import_module(module)
        assert not isinstance(getattr(ppi, name), types.ModuleType), name
