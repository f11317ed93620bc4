"""Odd chains get a warning in their row of the predictions."""

from __future__ import annotations

import pytest

from ppi.complexes import Complex
from ppi.prediction.oddities import oddities_of

BARNASE = (
    "AQVINTFDGVADYLQTYHKLPDNYITKSEAQALGWVASKGNLADVAPGKSIGGDIFSNREGKLPGKSGRTWREADINYTSGFRNSDRILYSSDWLIY"
    "KTTDHYQTFTKIR"
)


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        (BARNASE, []),
        ("SLYNTVATL", []),
        (BARNASE + "H" * 8, []),
        ("A", ["receptor has one residue"]),
        ("X" * 40, ["receptor is nothing but X"]),
        (BARNASE[:30] + 30 * "X", ["receptor is X in 50% of its residues", "receptor has 30 X in a row"]),
        (
            "G" * 87,
            ["receptor has 87 G in a row", "receptor has few kinds of residues, unlike natural proteins"],
        ),
        ("ACGT" * 15, ["receptor has only the letters A, C, G and T, as a nucleotide sequence has"]),
        ("GS" * 30, ["receptor has few kinds of residues, unlike natural proteins"]),
    ],
)
def test_oddities(chain: str, expected: list[str]) -> None:
    assert oddities_of(Complex("a", (BARNASE,), (chain,))) == expected


def test_chains_are_numbered_and_changes_are_reported() -> None:
    found = oddities_of(Complex("a", (BARNASE, "A"), ("MKUVLLW",)))
    assert found == ["complex 'a', receptor chain 1: U replaced by X", "ligand chain 2 has one residue"]
