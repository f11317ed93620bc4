"""What a complex and its nearest training complex do not share, in words."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import random_chain

from data_curation.splits.immunoglobulin import reference_domains
from ppi.complexes import Complex
from ppi.prediction.coverage import MIN_PAIR_IDENTITY, uncovered

RANDOM = np.random.default_rng(5)
A, B, C = (random_chain(RANDOM, length) for length in (100, 120, 140))
KNOWN = Complex("known", (A,), (B, C))


@pytest.mark.parametrize(
    ("ligand", "receptor", "parts"),
    [
        (A[:40] + A[48:], (B, C), ["ligand lacks 8 residues inside"]),
        (A[:40] + "W" + A[40:], (B, C), ["ligand has 1 residue more inside"]),
        (A, (B[:60] + B[70:], C[:60] + "GWGWGW" + C[60:]), ["receptor chain 1 lacks 10 residues inside"]),
        (A[30:], (B, C), ["ligand lacks 30 residues at its ends"]),
        (A, (C + "G" * 40, B), ["receptor chain 1 has 40 residues more at its ends"]),
        (A, (B,), ["receptor has 1 chain instead of 2"]),
    ],
)
def test_what_identities_do_not_count_is_named(
    ligand: str, receptor: tuple[str, ...], parts: list[str]
) -> None:
    for item in (Complex("x", (ligand,), receptor), Complex("x", receptor, (ligand,))):
        text = uncovered(item, KNOWN, 1.0)
        exchanged = item.ligand == receptor
        for part in parts:
            side = {"ligand": "receptor", "receptor": "ligand"} if exchanged else {}
            first, rest = part.split(" ", 1)
            assert f"{side.get(first, first)} {rest}" in text
        assert text.startswith("compared with known, ")


@pytest.mark.parametrize(
    "item",
    [
        KNOWN,
        Complex("few residues less at the ends", (A[5:],), (C, B[:-9])),
        Complex("a substitution", (A[:50] + ("A" if A[50] == "W" else "W") + A[51:],), (B, C)),
    ],
    ids=lambda item: item.id,
)
def test_substitutions_and_short_ends_are_no_difference(item: Complex) -> None:
    assert uncovered(item, KNOWN, 1.0) == ""


def test_constant_domains_are_no_difference() -> None:
    domains = reference_domains()
    variable, constant = domains["V|6II8_H"], domains["C|IGHG1_CH1"]
    fab, fv = Complex("fab", (variable + constant,), (B,)), Complex("fv", (variable,), (B,))
    assert uncovered(fv, fab, 1.0) == ""
    assert uncovered(fab, fv, 1.0) == ""
    assert "lacks 60 residues at its ends" in uncovered(Complex("part", (variable[60:],), (B,)), fab, 1.0)


def test_unresolved_residues_of_a_structure_are_no_difference() -> None:
    onto = Complex("known", (A[:40] + "XXX" + A[43:],), (B, C))
    assert uncovered(Complex("x", (A[:40] + A[43:],), (B, C)), onto, 1.0) == ""


def test_a_complex_that_is_less_similar_or_new_has_no_gaps_named() -> None:
    item = Complex("x", (A[:40] + A[48:],), (B, C))
    assert uncovered(item, KNOWN, MIN_PAIR_IDENTITY - 0.01) == ""
    assert uncovered(item, None, 0.0) == ""
