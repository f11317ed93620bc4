"""Messages, help texts and docstrings keep the language rules of CONTRIBUTING.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from conftest import REPOSITORY

#: Phrases that no text may have, with what to write instead.
BANNED = {
    r"\b(?:was|were) expected\b": "say what is allowed and what to do",
    r"\b(?:was|were) asked for\b": "give the value of the option",
    r"\b(?:is|are|was|were) said\b": "say who reports it: 'is logged', 'a warning names it'",
    r"\bcannot be had\b": "cannot be loaded, downloaded or found",
    r"\bhad back\b": "restored",
    r"\bin one go\b": "together, or at once",
    r"\banew\b": "again",
    r"\b(?:stand|stands|put) side by side\b": "are concatenated",
    r"\bnearly surely\b": "probably",
    r"\bOne (?:row )?an? (?:complex|member|epoch|pair|hit|split|predictor)\b": "one per complex, member, ...",
}
#: A description of a parameter, attribute or result, or a docstring, must begin with the thing itself.
FRAGMENT = re.compile(r"(?:Of|As for|Whose|With which)\b")
#: A line of a NumPy docstring that names parameters, attributes or results.
NAMES = re.compile(r"[\w*]+(?:, [\w*]+)*(?: : .*)?$")


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each string: docstrings, messages, help."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "0" for part in node.values]
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.lineno, node.value


def fragments(text: str) -> list[str]:
    """Return the first line of the text, and of each description in it, that is a fragment."""
    lines = text.split("\n")
    described = [
        line for name, line in pairwise(lines) if NAMES.match(name.strip()) and depth(line) > depth(name)
    ]
    return [line.strip() for line in [lines[0], *described] if FRAGMENT.match(line.strip())]


def depth(line: str) -> int:
    return len(line) - len(line.lstrip())


def broken_rules(source: str) -> list[str]:
    """Return a message for each text of a module that breaks a rule."""
    found = []
    for line, text in texts(ast.parse(source)):
        flat = " ".join(text.split())
        for pattern, instead in BANNED.items():
            found += [f"line {line}: {match!r}; {instead}" for match in re.findall(pattern, flat)]
        found += [f"line {line}: {start!r} is a fragment" for start in fragments(text)]
    return found


def test_texts_keep_the_rules_of_language() -> None:
    found = [
        f"{path.relative_to(REPOSITORY)}, {rule}"
        for room in ("data_curation", "heads", "ppi")
        for path in sorted((REPOSITORY / room).rglob("*.py"))
        for rule in broken_rules(path.read_text(encoding="utf-8"))
    ]
    assert not found


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ('"""Read.\n\nParameters\n----------\nseed\n    Of the draw.\n"""', "'Of the draw.' is a fragment"),
        ('"""Of a side."""', "'Of a side.' is a fragment"),
        ('raise ValueError(f"{name} is 3; 4 was expected")', "'was expected'; say what is allowed"),
        ('log.info("the weights cannot " "be had")', "'cannot be had'"),
    ],
)
def test_broken_rules_are_found(source: str, rule: str) -> None:
    assert any(rule in found for found in broken_rules(source))


def test_full_sentences_break_no_rule() -> None:
    source = (
        '"""Draw.\n\nOf all pairs, one is drawn.\n\nParameters\n----------\nseed\n    Seed of the draw.\n"""'
    )
    assert not broken_rules(source)
