"""Closing the breaks of a chain from its deposited sequence."""

from __future__ import annotations

import numpy as np
import pytest

from data_curation.structures.polymers import JoinedChain, join_fragments

POLYMER = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"


def test_a_break_is_filled_from_the_polymer_and_the_ends_are_not_extended() -> None:
    joined = join_fragments([POLYMER[3:10], POLYMER[14:20], POLYMER[25:30]], [99, 99], POLYMER)
    assert joined == JoinedChain(POLYMER[3:30], (0, 11, 22), 9, 0, 2, 2)


def test_without_a_polymer_a_break_is_a_run_of_x() -> None:
    assert join_fragments(["MKT", "AYI"], [4], None) == JoinedChain("MKTXXXXAYI", (0, 7), 0, 4, 1, 0)


@pytest.mark.parametrize("polymer", ["WWWWWWWWWWWWWWWWWW", "MKTAY", "X" * 20])
def test_a_polymer_that_does_not_fit_is_not_believed(polymer: str) -> None:
    assert join_fragments(["MKT", "AYI"], [1], polymer) == join_fragments(["MKT", "AYI"], [1], None)


def test_nine_matches_in_ten_are_enough_and_observed_residues_win() -> None:
    assert join_fragments(["WKTAYIAKQRX"], [], POLYMER).sequence == "WKTAYIAKQRQ"
    assert join_fragments(["WWTAYIAKQRX"], [], POLYMER).sequence == "WWTAYIAKQRX"


def test_an_observed_x_takes_the_letter_of_the_polymer_even_in_an_unbroken_chain() -> None:
    assert join_fragments(["MKXAYIAK"], [], POLYMER).sequence == "MKTAYIAK"
    assert join_fragments(["MKXAYIAK"], [], "MKXAYIAK").sequence == "MKXAYIAK"


def test_fragments_next_to_each_other_in_the_polymer_leave_no_gap() -> None:
    joined = join_fragments([POLYMER[:8], POLYMER[8:20]], [5], POLYMER)
    assert (joined.sequence, joined.gaps, joined.missing_recovered) == (POLYMER[:20], 0, 0)


def test_an_x_of_the_polymer_in_a_break_stays_unresolved() -> None:
    joined = join_fragments(["MKTAY", "QRQIS"], [1], "MKTAYIXKQRQIS")
    assert joined == JoinedChain("MKTAYIXKQRQIS", (0, 8), 2, 1, 1, 1)


def test_among_equal_placements_the_most_compact_one_stands() -> None:
    polymer = "GSGSAAKLMNPQRAAWWGSGS"
    assert join_fragments(["GSGS", "KLMNPQR"], [1], polymer).sequence == "GSGSAAKLMNPQR"
    assert join_fragments(["AA", "WW"], [1], polymer).sequence == "AAWW"
    assert join_fragments(["AA", "KLM"], [1], polymer).sequence == "AAKLM"


def test_cut_random_chains_are_put_together_again() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        polymer = "".join(random.choice(list("ACDEFGHIKLMNPQRSTVWY"), 300))
        cuts = np.sort(random.choice(np.arange(1, 60), 8, replace=False)) * 5
        fragments = [polymer[a:b] for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
        joined = join_fragments(fragments, [1] * 3, polymer)
        assert joined.sequence == polymer[cuts[0] : cuts[-1]]
        assert joined.offsets == tuple(cuts[::2] - cuts[0])
