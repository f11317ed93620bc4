"""Chains laid onto measured ones: ends and unknown residues make no difference, insertions do."""

from __future__ import annotations

import pytest

from data_curation.splits.immunoglobulin import reference_domains
from ppi.complexes import Complex
from ppi.prediction.antibodies import outside_constant_domains
from ppi.prediction.placement import place

LONG = "KKAVINGEQIRSISDLHQTLKKELALPEYYGENLDALWDALTGWVEYPLVLEWRQFEQSKQLTGAESVLQVFREAKAEGADITIILS"
OTHER = "VINTFDGVADYLQTYHKLPDNYITKSEAQALGWVASKGNLADVAPGKSIGGDIFSNREGKLPGKSGRTWREADINYTSGFRNSDRILYSSDW"
MEASURED = Complex("measured", (LONG,), (OTHER,))


def placed(ligand: tuple[str, ...], onto: Complex = MEASURED, most: int = 3) -> tuple[str, ...] | None:
    placed = place(Complex("new", ligand, onto.receptor), onto, most=most)
    found = placed and placed.complex
    return None if found is None else found.ligand


def mutated(chain: str, position: int, residue: str) -> str:
    return chain[:position] + residue + chain[position + 1 :]


@pytest.mark.parametrize(
    "chain",
    [LONG, LONG[3:], LONG[:-4], "MGSS" + LONG, LONG + "HHHHHH", LONG[1:] + "G"],
)
def test_missing_and_additional_ends_make_no_difference(chain: str) -> None:
    assert placed((chain,)) == (LONG,)


def test_variable_domains_are_laid_onto_an_antibody_with_constant_domains() -> None:
    domains = reference_domains()
    variable, constant = domains["V|6II8_H"], domains["C|IGHG1_CH1"]
    antibody = Complex("measured", (variable + constant,), (OTHER,))
    binding = outside_constant_domains(variable + constant)
    assert binding[: len(variable) - 8].all()
    assert not binding[len(variable) + 8 :].any()
    assert placed((variable,), onto=antibody) == antibody.ligand
    # Constant domains count where there is no variable one, and other chains count completely.
    assert outside_constant_domains(constant).all()
    assert outside_constant_domains(LONG + OTHER).all()
    assert placed((constant,), onto=antibody) is None
    assert placed((LONG,), onto=Complex("measured", (LONG + OTHER,), (OTHER,))) is None


def test_substitutions_are_carried_over() -> None:
    mutant = mutated(LONG, 38, "A")
    for chain in (mutant, mutant[2:], "GSHM" + mutant):
        assert placed((chain,)) == (mutant,)


@pytest.mark.parametrize("chain", [LONG[:40] + LONG[41:], LONG[:40] + "GG" + LONG[40:], OTHER, "KKAVINGEQ"])
def test_what_is_more_than_a_substitution_is_not_placed(chain: str) -> None:
    assert placed((chain,)) is None


def test_there_are_at_most_so_many_substitutions() -> None:
    chain = LONG
    for position in (10, 20, 30):
        chain = mutated(chain, position, "W")
    assert placed((chain,), most=3) == (chain,)
    assert placed((chain,), most=2) is None


def test_an_unknown_residue_makes_no_difference() -> None:
    unseen = Complex("measured", (LONG[:62] + "X" + LONG[62:],), (OTHER,))
    assert placed((LONG,), onto=unseen) == unseen.ligand
    replaced = Complex("measured", (mutated(LONG, 62, "X") + "K",), (OTHER,))
    assert placed((LONG,), onto=replaced) == replaced.ligand


def test_chains_of_a_side_are_placed_in_the_order_that_fits() -> None:
    two = Complex("measured", (LONG, OTHER), ("ACDEFGHIKL",))
    assert placed((OTHER[1:], mutated(LONG, 5, "W")), onto=two) == (mutated(LONG, 5, "W"), OTHER)
    assert placed((LONG,), onto=two) is None
