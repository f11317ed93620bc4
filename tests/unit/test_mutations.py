"""Mutations: written in every form of the field, right, wrong and already there."""

from __future__ import annotations

import pytest

from data_curation.errors import MutationError
from data_curation.mutations import Mutation, apply_mutations, parse_mutations, shift_that_fits

#: A T-cell antigen (moth cytochrome c), numbered as in its entry, with an insertion and a negative number.
SEQUENCE = "GADLIAYLKQATK"
POSITIONS = {(-1, ""): 0, (1, ""): 1, (2, ""): 2, (2, "A"): 3} | {(n, ""): n + 1 for n in range(3, 12)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I_L38G", [Mutation("I", "L", 38, "", "G")]),
        ("LI38G", [Mutation("I", "L", 38, "", "G")]),
        ("AA_T-3S", [Mutation("AA", "T", -3, "", "S")]),
        ("H_S100aG", [Mutation("H", "S", 100, "a", "G")]),
        ("SH100AG", [Mutation("H", "S", 100, "A", "G")]),
        ("H_S100G", [Mutation("H", "S", 100, "", "G")]),
        ("C_Y6F, C_T11S", [Mutation("C", "Y", 6, "", "F"), Mutation("C", "T", 11, "", "S")]),
        ("YC6F;TC11S", [Mutation("C", "Y", 6, "", "F"), Mutation("C", "T", 11, "", "S")]),
        ("1_L38L", [Mutation("1", "L", 38, "", "L")]),
        ("", []),
    ],
)
def test_parse(text: str, expected: list[Mutation]) -> None:
    assert list(parse_mutations(text)) == expected


@pytest.mark.parametrize("text", ["L38G", "I_L38", "I_B38G", "I_L38GAA", "I-L38G", "I_l38G", "I_L38*"])
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(MutationError, match="cannot be read; CHAIN_WTposMUT"):
        parse_mutations(text)


def test_one_residue_cannot_change_twice() -> None:
    with pytest.raises(MutationError, match="A_L38G and A_L38V change the same residue"):
        parse_mutations("A_L38G, A_L38V")


def test_apply() -> None:
    done = apply_mutations(SEQUENCE, POSITIONS, parse_mutations("C_G-1A, C_L2aV, C_Y5F, C_K11R"))
    assert done.sequence == "AADVIAFLKQATR"
    assert done.already_applied == ()


def test_a_mutation_that_the_structure_has_is_noted() -> None:
    done = apply_mutations(SEQUENCE, POSITIONS, parse_mutations("C_F5Y, C_K7A"))
    assert done.sequence == "GADLIAYLAQATK"
    assert [str(mutation) for mutation in done.already_applied] == ["C_F5Y"]


def test_a_mismatch_shows_the_neighbours() -> None:
    with pytest.raises(MutationError) as caught:
        apply_mutations(SEQUENCE, POSITIONS, parse_mutations("C_K8E"))
    assert str(caught.value) == (
        "mutation C_K8E: residue 8 of chain C is Q, not K (neighbours 6:L 7:K [8:Q] 9:A 10:T)"
    )
    with pytest.raises(MutationError, match=r"has no residue 30 \(neighbours 9:A 10:T 11:K\)"):
        apply_mutations(SEQUENCE, POSITIONS, parse_mutations("C_K30E"))


def test_shift() -> None:
    low = parse_mutations("C_Y4F, C_K6R, C_T9S")
    assert shift_that_fits(SEQUENCE, POSITIONS, low) == 1
    assert shift_that_fits(SEQUENCE, POSITIONS, parse_mutations("C_Y6F, C_K8R")) == -1
    assert shift_that_fits(SEQUENCE, POSITIONS, parse_mutations("C_Y5F, C_K7R")) is None  # fits already
    assert shift_that_fits(SEQUENCE, POSITIONS, low[:1]) is None  # one residue is no proof
    assert shift_that_fits(SEQUENCE, POSITIONS, [*low[:2], *parse_mutations("C_W3A")]) is None
