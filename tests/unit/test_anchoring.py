"""Predictions that start from measured neighbours."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import random_chain

from ppi.complexes import Complex
from ppi.effects.mutations import Mutation, apply_mutations
from ppi.prediction.anchoring import Anchors, anchored_quantile
from ppi.prediction.neighbours import MOST_SUBSTITUTIONS
from ppi.prediction.predicted_effects import PredictedEffects

LIGAND = "KKAVINGEQIRSISDLHQTLKKELALPEYYGENLDALWDALTG"
RECEPTOR = "VINTFDGVADYLQTYHKLPDNYITKSEAQALGWVASK"
PRIOR = 7.0


def mutant(name: str, pkd: float | None, *changes: tuple[int, str]) -> Complex:
    chain = list(LIGAND)
    for position, residue in changes:
        assert chain[position] != residue
        chain[position] = residue
    return Complex(name, ("".join(chain),), (RECEPTOR,), pkd)


WILD = mutant("wild", 9.0)
SERIES = [
    WILD,
    mutant("a", 5.0, (3, "A")),
    mutant("b", 5.2, (3, "G")),
    mutant("c", 8.9, (10, "W")),
    mutant("d", 8.8, (20, "W")),
]
OTHER = Complex("other", ("ACDEFGHIKLMNPQRSTVWY",), (RECEPTOR,), 4.0)


def test_a_measured_complex_gets_about_what_was_measured() -> None:
    found = Anchors(SERIES).predict(mutant("new", None), PRIOR)
    assert found is not None
    assert found.neighbours == len(SERIES)
    assert found.pkd == pytest.approx(9.0, abs=0.2)
    assert found.std < 0.6


def test_a_mutant_is_like_those_at_its_position() -> None:
    anchors = Anchors(SERIES)
    hot, cold = (
        anchors.predict(mutant("h", None, (3, "D")), 7.0),
        anchors.predict(mutant("c", None, (10, "D")), 7.0),
    )
    elsewhere = anchors.predict(mutant("e", None, (30, "D")), 7.0)
    assert hot is not None
    assert cold is not None
    assert elsewhere is not None
    assert hot.pkd < 6.5 < 7.5 < cold.pkd
    assert elsewhere.std > hot.std > 0.3


def test_role_and_chain_order_do_not_matter() -> None:
    two = [Complex(item.id, (*item.ligand, "ACDEFGHIK"), item.receptor, item.pkd) for item in SERIES]
    anchors, new = Anchors(two), mutant("new", None, (3, "D"))
    first = anchors.predict(Complex("x", ("ACDEFGHIK", *new.ligand), new.receptor), PRIOR)
    second = anchors.predict(Complex("x", new.receptor, (*new.ligand, "ACDEFGHIK")), PRIOR)
    assert first == second is not None


def test_what_is_far_or_of_another_length_has_no_neighbours() -> None:
    anchors = Anchors([*SERIES, OTHER])
    letters = "ACDEFGHIKLMNPQRSTVWY"
    changes = [
        (number, letters[(letters.index(LIGAND[number]) + 1) % 20])
        for number in range(MOST_SUBSTITUTIONS + 1)
    ]
    assert anchors.predict(mutant("far", None, *changes), PRIOR) is None
    near = anchors.predict(mutant("near", None, *changes[1:]), PRIOR)
    assert near is not None
    assert near.neighbours >= 1
    assert anchors.predict(Complex("short", (LIGAND[1:],), (RECEPTOR,)), PRIOR) is None


def test_chains_of_other_lengths_are_placed_onto_the_complex_they_resemble() -> None:
    anchors, direct = Anchors(SERIES), Anchors(SERIES).predict(mutant("new", None, (3, "D")), PRIOR)
    longer = Complex("long", (RECEPTOR[2:],), ("GS" + mutant("new", None, (3, "D")).ligand[0],))
    assert anchors.predict(longer, PRIOR, like="wild") == direct
    assert anchors.predict(longer, PRIOR, like="unknown") is None


def test_predicted_effects_move_what_nothing_was_measured_of() -> None:
    def effects(reference: Complex, items: Sequence[Complex]) -> np.ndarray:
        chains = [next(chain for chain in item.chains if len(chain) == len(LIGAND)) for item in items]
        return np.array([-2.0 if chain[30] == "D" else 0.0 for chain in chains])

    new = mutant("e", None, (30, "D"))
    without, with_effects = Anchors(SERIES).predict(new, PRIOR), Anchors(SERIES, effects).predict(new, PRIOR)
    assert without is not None
    assert with_effects is not None
    assert with_effects.pkd < without.pkd - 0.5


def test_a_complex_can_be_left_out() -> None:
    anchors = Anchors([WILD, mutant("far", 3.0, (5, "W"), (6, "W"), (7, "W"))])
    kept, left_out = anchors.predict(WILD, PRIOR), anchors.predict(WILD, PRIOR, without=0)
    assert kept is not None
    assert left_out is not None
    assert kept.neighbours == 2
    assert left_out.neighbours == 1
    assert left_out.pkd < kept.pkd - 1


def test_the_quantile_covers_complexes_that_are_left_out() -> None:
    random = np.random.default_rng(0)
    complexes, groups = list[Complex](), list[int]()
    for series in range(12):
        receptor = "".join(random.choice(list("ACDEFGHIKLMNPQRSTVWY"), 40))
        for number, position in enumerate(random.permutation(len(LIGAND))[:10]):
            change = (int(position), "W" if LIGAND[position] != "W" else "Y")
            own = mutant(f"{series}-{number}", 7 + float(random.normal()), change)
            complexes.append(Complex(own.id, own.ligand, (receptor,), own.pkd))
            groups.append(series)
    quantile = anchored_quantile(complexes, np.array(groups), 0.9)
    assert quantile is not None
    assert 0.5 < quantile < 3.5
    anchors = Anchors(complexes)
    inside = []
    for number, item in enumerate(complexes):
        found = anchors.predict(item, PRIOR, without=number)
        assert found is not None
        inside.append(abs(found.pkd - float(item.pkd or 0)) <= quantile * found.std)
    assert 0.85 <= np.mean(inside) <= 1
    assert anchored_quantile(complexes[:80], np.array(groups[:80]), 0.9) is None


def test_a_training_set_with_both_role_orders_predicts_the_same_for_both() -> None:
    other_way = Complex("exchanged", (RECEPTOR,), SERIES[1].ligand, 6.5)
    anchors, new = Anchors([*SERIES, other_way]), mutant("new", None, (3, "D"))
    found = anchors.predict(new, PRIOR)
    assert found == anchors.predict(Complex("x", new.receptor, new.ligand), PRIOR)
    assert found is not None
    assert found.neighbours == len(SERIES) + 1


def test_chains_of_one_length_are_tried_in_each_order() -> None:
    first, second = LIGAND, "Y" + LIGAND[1:][::-1]
    anchors = Anchors([Complex("wild", (first, second), (RECEPTOR,), 9.0)])
    changed = "A" + first[1:]  # in the order of letters it would change places with the other chain
    for ligand in ((changed, second), (second, changed)):
        found = anchors.predict(Complex("new", ligand, (RECEPTOR,)), PRIOR)
        assert found is not None
        assert found.pkd > 8


def test_a_third_of_a_side_may_change_and_no_more() -> None:
    anchors = Anchors([Complex("peptide", ("GILGFVFTL",), (RECEPTOR,), 9.0)])
    assert anchors.predict(Complex("near", ("GILAFVATL",), (RECEPTOR,)), PRIOR) is not None
    assert anchors.predict(Complex("far", ("GAAAFVATL",), (RECEPTOR,)), PRIOR) is None


def test_unknown_residues_are_no_substitutions() -> None:
    anchors = Anchors([WILD])
    unseen = Complex("unseen", ("X" * 10 + LIGAND[10:],), (RECEPTOR,))
    found, of_wild = anchors.predict(unseen, PRIOR), anchors.predict(WILD, PRIOR)
    assert found == of_wild is not None
    assert anchors.predict(Complex("unknown", ("X" * len(LIGAND),), (RECEPTOR,)), PRIOR) is None


def single(position: int, residue: str) -> tuple[Mutation, ...]:
    return (Mutation("ligand", 1, position + 1, LIGAND[position], residue),)


def test_many_mutants_at_once_are_as_one_by_one() -> None:
    def effects(reference: Complex, items: Sequence[Complex]) -> np.ndarray:
        return np.array([0.1 * item.chains[0].count("W") + 0.3 * item.chains[1].count("W") for item in items])

    anchors = Anchors(SERIES, effects)
    variants = [
        (),
        single(3, "D"),
        single(3, "A"),
        single(10, "W"),
        single(30, "K"),
        single(3, "D") + single(30, "W"),
    ]
    found = anchors.differences(WILD, variants, PRIOR)
    assert found is not None
    assert found.neighbours == len(SERIES)
    wild = anchors.predict(WILD, PRIOR)
    assert wild is not None
    for change, variant in zip(found.pkd, variants, strict=True):
        alone = anchors.predict(apply_mutations(WILD, variant), PRIOR)
        assert alone is not None
        assert change == pytest.approx(alone.pkd - wild.pkd, abs=1e-6)
    assert found.measured[[0, 2, 3]] == pytest.approx([0, -4.0, -0.1])
    assert np.isnan(found.measured[[1, 4, 5]]).all()
    # No mutation differs by two errors of measurement alone; what is near to a measured mutant is surer.
    assert found.std[0] == pytest.approx(0.3 * 2**0.5)
    assert found.std[0] < found.std[2] < found.std[1] < found.std[4]


def test_mutations_follow_their_residues_to_where_a_complex_is_placed() -> None:
    anchors = Anchors(SERIES)
    direct = anchors.differences(WILD, [single(3, "D"), single(10, "Y")], PRIOR)
    exchanged = Complex("exchanged", (RECEPTOR[2:],), ("GS" + LIGAND,))
    variants = [
        (Mutation("receptor", 1, 3 + 3, LIGAND[3], "D"),),
        (Mutation("receptor", 1, 10 + 3, LIGAND[10], "Y"),),
        (Mutation("receptor", 1, 1, "G", "A"),),
    ]
    placed = anchors.differences(exchanged, variants, PRIOR, like="wild")
    assert direct is not None
    assert placed is not None
    assert placed.pkd[:2] == pytest.approx(direct.pkd, abs=1e-9)
    assert np.isnan(placed.pkd[2])
    assert np.isnan(placed.std[2])
    none = anchors.differences(exchanged, variants[2:], PRIOR, like="wild")
    assert none is not None
    assert np.isnan(none.pkd).all()
    assert anchors.differences(exchanged, variants, PRIOR) is None


def test_mutations_of_an_unobserved_residue_have_no_prediction() -> None:
    hidden = [
        Complex(f"{item.id} X", ("X" + item.ligand[0][1:],), item.receptor, item.pkd) for item in SERIES
    ]
    found = Anchors(hidden).differences(WILD, [single(0, "W"), single(3, "D")], PRIOR)
    assert found is not None
    assert np.isnan(found.pkd).tolist() == [True, False]


def test_effects_of_one_complex_are_predicted_in_several_threads() -> None:
    model = SimpleNamespace(
        parts=SimpleNamespace(config=SimpleNamespace(crowding=0.0)),
        context=lambda wild: None,
        effects_in=lambda context, mutations: np.ones(len(mutations)),
    )
    effects, random = PredictedEffects(model), np.random.default_rng(0)
    wild = Complex("wild", ("A" * 200,), (RECEPTOR,))
    variants = [Complex("v", (random_chain(random, 200),), (RECEPTOR,)) for _ in range(120)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda variant: effects(wild, [wild, variant]), variants))
    finally:
        sys.setswitchinterval(interval)
    assert all(each[0] == 0 and each[1] < 0 for each in found)
