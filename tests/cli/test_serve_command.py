"""`ppi serve` before it serves: what stops it is one clear line."""

from __future__ import annotations

import socket
import sys
from importlib import import_module

import pytest

from ppi.cli import main


def line_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["serve", *words])
    assert stopped.value.code == 1
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = line_of(["--port", str(port)], capsys)
    assert f"cannot listen at 127.0.0.1, port {port}: Address already in use" in line
    assert "--port" in line


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no-such-model" in line_of(["--port", "0", "--model", "./no-such-model"], capsys)


def test_impossible_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert "the port is 70000" in line_of(["--port", "70000"], capsys)
    assert "no address of this machine" in line_of(["--host", "256.0.0.1"], capsys)
    assert "waiting_jobs is 0" in line_of(["--waiting-jobs", "0"], capsys)
    assert "the token is empty" in line_of(["--token", " "], capsys)


def test_the_token_of_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PPI_SERVE_TOKEN", "")
    assert "the token is empty" in line_of(["--port", "0"], capsys)


def test_packages_that_are_not_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        import_module("ppi.cli.serve"), "find_spec", lambda name: None if name == "uvicorn" else sys
    )
    line = line_of([], capsys)
    assert line == 'ppi: error: ppi serve needs uvicorn; install it with: pip install "ppi-affinity[web]"\n'
