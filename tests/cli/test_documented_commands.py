"""Every command of the documentation is one that the command line accepts."""

from __future__ import annotations

from pathlib import Path

import pytest
from documented import blocks, commands, pages

from ppi.cli import app
from ppi.training.recipes import chosen_settings

COMMANDS = [
    (page, words)
    for page in pages()
    for block in blocks(page)
    if block.language == "bash"
    for words in commands(block.text)
]


def test_many_commands_are_documented() -> None:
    assert len(COMMANDS) > 40
    assert {words[0] for _, words in COMMANDS} >= {"predict", "scan", "screen", "adapt", "train", "study"}


@pytest.mark.parametrize(
    ("page", "words"), COMMANDS, ids=[f"{page.stem}-{number}" for number, (page, _) in enumerate(COMMANDS)]
)
def test_a_documented_command_is_accepted(
    page: Path, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run" / "model").mkdir(parents=True)  # a path of a backbone must exist
    monkeypatch.chdir(tmp_path)
    given = ["/dev/stdin" if word == "-" else word for word in words]
    _, bound, _ = app.parse_args(given, exit_on_error=False, print_error=False)
    if words[0] == "train" and "config" not in bound.arguments:
        chosen_settings(bound.arguments.get("recipe"), flags=bound.arguments.get("settings"))
