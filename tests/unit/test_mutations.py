"""Mutations: how they are written, and how they meet a chain."""

from __future__ import annotations

import pytest

from data_curation.errors import MutationError
from data_curation.structures.chains import StructureChain
from data_curation.structures.mutations import (
    Mutation,
    apply_mutations,
    parse_mutation,
    parse_mutations,
    shift_that_fits,
)


def chain_of(sequence: str, *places: tuple[int, str]) -> StructureChain:
    found = places or tuple((number, "") for number in range(1, len(sequence) + 1))
    positions = {place: index for index, place in enumerate(found)}
    return StructureChain("C", sequence, positions, len(sequence), 0, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("text", "mutation"),
    [
        ("I_L38G", Mutation("I", "L", 38, "", "G")),
        ("AA_L38G", Mutation("AA", "L", 38, "", "G")),
        ("A_G-3A", Mutation("A", "G", -3, "", "A")),
        ("H_S100aA", Mutation("H", "S", 100, "a", "A")),
        ("H_S100AA", Mutation("H", "S", 100, "A", "A")),
        ("LI38G", Mutation("I", "L", 38, "", "G")),
        ("L138G", Mutation("1", "L", 38, "", "G")),
        ("SH100aA", Mutation("H", "S", 100, "a", "A")),
        ("A_L38L", Mutation("A", "L", 38, "", "L")),
    ],
)
def test_both_forms_are_read(text: str, mutation: Mutation) -> None:
    assert parse_mutation(f" {text} ") == mutation
    assert parse_mutation(str(mutation)) == mutation


@pytest.mark.parametrize("text", ["", "I_L38", "I_l38G", "I_B38G", "I_L38X", "_L38G", "I_L38abG", "I_L3 8G"])
def test_anything_else_is_shown_with_the_forms_expected(text: str) -> None:
    with pytest.raises(MutationError) as caught:
        parse_mutation(text)
    assert all(part in str(caught.value) for part in (repr(text), "I_L38G", "LI38G"))


def test_a_list_of_mutations_is_read() -> None:
    assert [str(item) for item in parse_mutations("I_L38G, LI39A;C_K8E")] == ["I_L38G", "I_L39A", "C_K8E"]
    assert parse_mutations(" ") == ()
    with pytest.raises(MutationError):
        parse_mutations("I_L38G,,C_K8E")


def test_mutations_are_applied_where_the_wild_type_is() -> None:
    mutated = apply_mutations(chain_of("ACDEF"), parse_mutations("C_A1G,C_F5W,C_E4E"))
    assert mutated.sequence == "GCDEW"
    assert [str(item) for item in mutated.applied] == ["C_A1G", "C_F5W", "C_E4E"]


def test_insertion_codes_are_matched_exactly_then_in_either_case() -> None:
    chain = chain_of("ACDE", (100, ""), (100, "A"), (100, "a"), (100, "B"))
    texts = {"C_A100G": "GCDE", "C_C100AG": "AGDE", "C_D100aG": "ACGE", "C_E100bG": "ACDG"}
    assert {text: apply_mutations(chain, [parse_mutation(text)]).sequence for text in texts} == texts
    with pytest.raises(MutationError, match="no residue 100C"):
        apply_mutations(chain, [parse_mutation("C_A100CG")])


def test_a_mutation_that_the_structure_has_is_noted() -> None:
    mutated = apply_mutations(chain_of("ACDEF"), parse_mutations("C_W3D,C_A1G"))
    assert mutated.sequence == "GCDEF"
    assert [str(item) for item in mutated.already_applied] == ["C_W3D"]
    assert [str(item) for item in mutated.applied] == ["C_A1G"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "C_K8E",
            "mutation C_K8E: residue 8 of chain C is N, not K (neighbours 6:F 7:A [8:N] 9:K 10:A)",
        ),
        ("C_K1E", "mutation C_K1E: residue 1 of chain C is A, not K (neighbours [1:A] 2:A 3:A)"),
        ("C_K20E", "chain C has no residue 20 (it has 1 to 13; nearest 10:A 11:A 12:A 13:A)"),
        ("C_A1G,C_A1V", "mutation C_A1V: C_A1G names the same residue"),
        ("D_A1G", "mutation D_A1G is not one of chain C"),
    ],
)
def test_a_mutation_that_does_not_fit_says_what_is_there(text: str, message: str) -> None:
    with pytest.raises(MutationError) as caught:
        apply_mutations(chain_of("AAAAAFANKAAAA"), parse_mutations(text))
    assert message in str(caught.value)


def test_one_wrong_mutation_fails_whatever_stands_before_it() -> None:
    with pytest.raises(MutationError, match="C_K2E"):
        apply_mutations(chain_of("ACDEF"), parse_mutations("C_A1G,C_K2E"))


@pytest.mark.parametrize(
    ("text", "shift"),
    [
        ("C_D2A,C_F4A", 1),
        ("C_D4A,C_F6A", -1),
        ("C_D3A,C_F5A", None),  # they fit as they are
        ("C_D2A", None),
        ("C_D2A,C_D2G", None),  # one position only
        ("C_D2A,C_F6A", None),  # each fits another shift
        ("C_D1A,C_F3A", None),  # two off
        ("C_H8A,C_H10A", None),  # both shifts fit
    ],
)
def test_a_numbering_fault_needs_two_positions_and_one_answer(text: str, shift: int | None) -> None:
    assert shift_that_fits(chain_of("ACDEFGHIHKHLM"), parse_mutations(text)) == shift


def test_mutations_that_fit_are_not_shifted_even_where_a_shift_fits_too() -> None:
    assert shift_that_fits(chain_of("KKAKKA"), parse_mutations("C_K1A,C_K4A")) is None


def test_a_mutation_written_twice_is_one() -> None:
    assert len(parse_mutations("A_K34E, A_K34E")) == 1
