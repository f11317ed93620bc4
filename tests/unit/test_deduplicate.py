"""Which records are one complex, and what their measurements combine to."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from data_curation.cleaning.deduplicate import (
    BETWEEN_SD,
    WITHIN_SD,
    CuratedComplex,
    deduplicate,
    precision_weight,
)
from data_curation.records import BindingRecord

HEAVY, LIGHT, ANTIGEN = "A" * 50, "G" * 40, "C" * 60


def record(row: int = 1, **changes: object) -> BindingRecord:
    made = BindingRecord(
        row=row,
        source="PDBbind v2020",
        pdb="1ABC",
        mutations=(),
        ligand_chains=("H", "L"),
        receptor_chains=("A",),
        ligand=(HEAVY, LIGHT),
        receptor=(ANTIGEN,),
        kd_molar=1e-9,
        method="Unknown",
    )
    return replace(made, **changes)


def only(items: list[CuratedComplex]) -> CuratedComplex:
    (item,) = items
    return item


def test_neither_roles_nor_chain_order_nor_unobserved_residues_make_another_complex() -> None:
    rows = [
        record(
            4, ligand_chains=("A",), ligand=(ANTIGEN,), receptor_chains=("H", "L"), receptor=(HEAVY, LIGHT)
        ),
        record(3, ligand=(LIGHT, HEAVY)),
        record(2, ligand=(HEAVY[:20] + "XXXX" + HEAVY[20:], LIGHT)),
        record(1),
    ]
    found = only(deduplicate(rows))
    assert (found.rows, found.n_replicates, found.record.row) == ((1, 2, 3, 4), 4, 1)
    assert found.sides.ligand == (HEAVY, LIGHT)


@pytest.mark.parametrize(
    "other",
    [
        record(2, ligand=(HEAVY, LIGHT[:-1])),
        record(2, ligand=(HEAVY,), receptor=(LIGHT, ANTIGEN)),  # the same chains, on other sides
        record(2, ligand=(HEAVY, HEAVY, LIGHT)),
        record(2, ligand=(HEAVY + LIGHT,)),
    ],
)
def test_other_chains_or_other_sides_are_another_complex(other: BindingRecord) -> None:
    assert [item.rows for item in deduplicate([record(1), other])] == [(1,), (2,)]


def test_the_best_method_present_gives_the_mean_of_pkd() -> None:
    rows = [
        record(1, kd_molar=1e-8, method="Unknown", affinity_pubmed_id="7"),
        record(2, kd_molar=1e-8, method="SPR", affinity_pubmed_id="8"),
        record(3, kd_molar=1e-6, method="SPR", affinity_pubmed_id="7"),
    ]
    found = only(deduplicate(rows))
    assert found.pkd == pytest.approx(7.0)
    assert found.pkd_sd == pytest.approx(math.sqrt(2))
    assert (found.n_replicates, found.rows, found.record.row) == (2, (1, 2, 3), 2)
    assert (found.methods, found.pubmed_ids) == (("Unknown", "SPR"), ("7", "8"))
    assert only(deduplicate(rows[:1])).pkd_sd is None


def test_the_reference_protocol_keeps_order_and_takes_the_mean_of_kd() -> None:
    rows = [record(1, kd_molar=1e-8), record(2, kd_molar=1e-6), record(3, ligand=(LIGHT, HEAVY))]
    first, second = deduplicate(rows, combination="reference")
    assert first.pkd == pytest.approx(-math.log10(5.05e-7))
    assert (first.rows, second.rows) == ((1, 2), (3,))


@pytest.mark.parametrize(("kd", "conflict"), [(1.01e-8, True), (0.99e-8, False)])
def test_a_conflict_is_seen_across_methods(kd: float, conflict: bool) -> None:
    rows = [record(1, method="SPR"), record(2, kd_molar=kd, method="ITC")]
    found = only(deduplicate(rows))
    assert (found.conflict, found.n_replicates) == (conflict, 1)


def test_bounds_give_way_to_exact_values_and_are_marked_otherwise() -> None:
    rows = [record(1, kd_molar=1e-5, method="SPR"), record(2, kd_molar=1e-9, method="ITC")]
    found = only(deduplicate(rows, {1: ">"}))
    assert (found.pkd, found.censored, found.conflict, found.rows) == (pytest.approx(9.0), "", False, (1, 2))
    found = only(deduplicate(rows, {1: ">", 2: "<"}))
    assert (found.pkd, found.censored, found.conflict) == (pytest.approx(5.0), ">", True)
    found = only(deduplicate(rows, {1: ">"}, "reference"))
    assert (found.pkd, found.censored) == (pytest.approx(5.0), ">")


def test_weight_is_one_for_a_single_value_and_follows_the_spread() -> None:
    assert precision_weight([7.0]) == 1.0
    agreeing, apart = precision_weight([7.0, 7.1]), precision_weight([6.0, 8.0])
    assert apart < 1 < agreeing
    # Agreement within publications cannot outweigh what differs between them.
    ceiling = (WITHIN_SD**2 + BETWEEN_SD**2) / BETWEEN_SD**2
    assert agreeing < precision_weight([7.0] * 50) < ceiling
    # Two values with the pooled variance: it halves, the rest stays.
    pooled = precision_weight([7.0, 7.0 + math.sqrt(2) * WITHIN_SD])
    assert pooled == pytest.approx((WITHIN_SD**2 + BETWEEN_SD**2) / (WITHIN_SD**2 / 2 + BETWEEN_SD**2))


def test_ids_stay_distinct() -> None:
    rows = [record(1), record(2, ligand=(LIGHT,)), record(3, ligand=(HEAVY,), mutations=("A_G1A", "A_K2R"))]
    assert [item.id for item in deduplicate(rows)] == ["1ABC_HL_A", "1ABC_HL_A.r2", "1ABC_HL_A_A_G1A+A_K2R"]
