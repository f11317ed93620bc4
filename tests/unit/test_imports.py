"""Imports run one way: the contracts of pyproject.toml."""

from __future__ import annotations

import pytest
from conftest import REPOSITORY
from importlinter import cli


def test_no_import_leaves_its_floor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # It would silence all loggers that exist, for the tests that follow.
    monkeypatch.setattr("importlinter.cli.logging_config.dictConfig", lambda _: None)
    status = cli.lint_imports(config_filename=str(REPOSITORY / "pyproject.toml"), no_cache=True)
    assert status == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out
