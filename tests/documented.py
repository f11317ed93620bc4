"""Finds the code blocks of Markdown files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conftest import REPOSITORY

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: What stands before the arguments of `ppi`: perhaps variables of the environment, and a folder.
_CALL = re.compile(r"\s*(?:[A-Z_]+=\S* )*(?:\S*/)?ppi ")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and its text."""

    language: str
    text: str


def blocks(path: Path) -> list[Block]:
    """Return the fenced blocks of a Markdown file, in order."""
    return [Block(*found.groups()) for found in _FENCE.finditer(path.read_text(encoding="utf-8"))]


def pages() -> list[Path]:
    """Return the Markdown files that users read."""
    written = (path for path in (REPOSITORY / "docs").rglob("*.md") if "generated" not in path.parts)
    return [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(written)]


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each call of `ppi` in a shell script, without comments and redirections."""
    for part in re.split(r"&&|[|\n]", text.replace("\\\n", " ")):
        if called := _CALL.match(part):
            words = shlex.split(part[called.end() :], comments=True)
            cut = [index for index, word in enumerate(words) if word.startswith(">")]
            yield words[: cut[0] if cut else None]
