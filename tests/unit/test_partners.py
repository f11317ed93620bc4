"""Wrong partners, and how often they score lower than the true ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from ppi.complexes import Complex
from ppi.errors import InputError
from ppi.evaluation.partners import draw_partners, partner_auroc, score_partners
from ppi.io.tables import ComplexTable


def table_of(*rows: tuple[str, str, str, str]) -> ComplexTable:
    """Return complexes from their ligand, receptor, cluster and PDB entry."""
    complexes = [
        Complex(f"c{i}", (ligand,), (receptor,), pkd=7.0) for i, (ligand, receptor, *_) in enumerate(rows)
    ]
    columns = pd.DataFrame([row[2:] for row in rows], columns=["cluster", "pdb"])
    return ComplexTable(complexes, columns)


def test_auroc_counts_ties_half_and_weighs_complexes() -> None:
    true = np.array([2.0, 0.0])
    wrong = np.array([[1.0, 2.0, 3.0, 0.0], [-1.0, -2.0, -3.0, -4.0]])  # 2.5 of 4, and 4 of 4
    groups = np.array([0, 1])
    assert partner_auroc(true, wrong, np.ones(2), groups).value == pytest.approx((0.625 + 1) / 2)
    found = partner_auroc(true, wrong, np.array([3.0, 1.0]), groups)
    assert found.value == pytest.approx((3 * 0.625 + 1) / 4)
    # A resample holds one complex twice, or each once.
    assert (found.lower, found.upper) == pytest.approx((0.625, 1.0))


def test_resamples_weigh_complexes_too() -> None:
    true, wrong = np.zeros(10), np.ones((10, 2))
    wrong[9] = -1  # the only complex that wins has nearly all of the weight
    weight = np.full(10, 1e-9)
    weight[9] = 1
    found = partner_auroc(true, wrong, weight, np.arange(10))
    assert (found.lower, found.upper) == pytest.approx((0.0, 1.0), abs=1e-6)


def test_auroc_of_a_score_without_partner_is_chance() -> None:
    true = np.arange(5.0)
    assert partner_auroc(true, np.repeat(true[:, None], 4, 1), np.ones(5), np.arange(5)).value == 0.5


def test_partners_are_of_another_cluster_and_share_no_side() -> None:
    table = table_of(
        ("AAA", "CCC", "one", "P1"),
        ("DDD", "EEE", "one", "P2"),  # the same cluster
        ("AAA", "FFF", "two", "P3"),  # the same ligand: the exchanged pair is a true one
        ("GGG", "CCC", "two", "P4"),  # the same receptor
        ("CCC", "HHH", "two", "P5"),  # the receptor is the ligand of this one
        ("III", "KKK", "two", "P6"),
        ("LLL", "MMM", "three", "P7"),
    )
    drawn = draw_partners(table, count=200)
    assert drawn.shape == (7, 200)
    assert set(drawn[0]) == {5, 6}
    assert set(drawn[6]) == {0, 1, 2, 3, 4, 5}
    assert (draw_partners(table, count=200) == drawn).all()
    assert (draw_partners(table, count=200, seed=1) != drawn).any()


def test_partners_are_drawn_by_entry_and_not_by_row() -> None:
    series = [("DDD" + "A" * i, "EEE" + "A" * i, "two", "P2") for i in range(9)]
    table = table_of(("AAA", "CCC", "one", "P1"), *series, ("GGG", "HHH", "three", "P3"))
    share = (draw_partners(table, count=4000)[0] == 10).mean()
    assert share == pytest.approx(0.5, abs=0.04)  # two entries, one of nine rows


def test_a_complex_without_wrong_partner_is_named() -> None:
    table = table_of(("AAA", "CCC", "one", "P1"), ("AAA", "DDD", "two", "P2"))
    with pytest.raises(
        InputError, match="complex 'c0' has no wrong partner: none of the 2 .* another cluster"
    ):
        draw_partners(table)


def test_each_pair_is_scored_once_with_the_receptor_of_the_other() -> None:
    table = table_of(("A", "CC", "one", "P1"), ("A", "DDD", "two", "P2"), ("E", "FFFF", "three", "P3"))
    drawn = np.array([[2, 2], [2, 2], [0, 1]])
    requested: list[Complex] = []

    def score(complexes: Sequence[Complex]) -> dict[str, np.ndarray]:
        requested.extend(complexes)
        return {"length": np.array([len("".join(item.receptor)) for item in complexes])}

    found = score_partners(table.complexes, drawn, score)
    assert found["length"].tolist() == [[4, 4], [4, 4], [2, 3]]
    pairs = [(item.ligand, item.receptor) for item in requested]
    assert pairs == [(("A",), ("FFFF",)), (("E",), ("CC",)), (("E",), ("DDD",))]
