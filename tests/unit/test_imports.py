"""Imports run one way: the contracts of pyproject.toml."""

from __future__ import annotations

import pytest
from conftest import REPOSITORY
from importlinter import cli


def test_no_import_leaves_its_floor(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.lint_imports(config_filename=str(REPOSITORY / "pyproject.toml"), no_cache=True)
    assert status == cli.EXIT_STATUS_SUCCESS, capsys.readouterr().out
