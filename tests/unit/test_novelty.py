"""Which training complex a complex resembles, side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import random_chain

from ppi.complexes import Complex
from ppi.prediction.kmers import WordIndex
from ppi.prediction.novelty import NoveltyIndex, pair_identities

RANDOM = np.random.default_rng(3)
A, B, C, D, E, F = (random_chain(RANDOM, length) for length in (90, 120, 200, 110, 80, 150))
TRAINING = [
    Complex("ab", (A,), (B,), 8.0),
    Complex("cd", (C, D), (B,), 6.0),
    Complex("peptide", ("SLYNTVATL",), (C,), 5.0),
    Complex("unmeasured", (F,), (C,)),
]


@pytest.fixture(scope="module")
def index() -> NoveltyIndex:
    return NoveltyIndex(TRAINING)


def mutated(chain: str, every: int) -> str:
    """Return a chain with another residue at every so many places."""
    return "".join(
        ("A" if residue == "W" else "W") if place % every == every // 2 else residue
        for place, residue in enumerate(chain)
    )


@pytest.mark.parametrize("item", TRAINING, ids=lambda item: item.id)
def test_a_training_complex_finds_itself(index: NoveltyIndex, item: Complex) -> None:
    for one in (item, Complex("exchanged", item.receptor, item.ligand)):
        (found,) = index.nearest([one])
        assert (found.id, found.pkd, found.pair_identity, found.novelty) == (
            item.id,
            item.pkd,
            1.0,
            "familiar",
        )


def test_one_known_side_alone_is_not_familiar(index: NoveltyIndex) -> None:
    strange = ["G" * 87, random_chain(RANDOM, 140), "X" * 50, D]
    for partner in strange[:3]:
        (found,) = index.nearest([Complex("x", (A,), (partner,))])
        assert (found.ligand_identity, found.receptor_identity, found.pair_identity) == (1.0, 0.0, 0.0)
        assert (found.id, found.pkd, found.novelty) == (None, None, "half-familiar")
    # Both sides are known, but no training complex has both.
    (found,) = index.nearest([Complex("x", (A,), (F,))])
    assert (found.ligand_identity, found.receptor_identity, found.pair_identity) == (1.0, 1.0, 0.0)
    (found,) = index.nearest([Complex("x", (strange[1],), (E,))])
    assert found.novelty == "new"


def test_identity_is_that_of_the_alignment_and_the_lower_side_counts(index: NoveltyIndex) -> None:
    ligand, receptor = mutated(A, 10), mutated(B, 4)
    (found,) = index.nearest([Complex("x", (ligand,), (receptor,))])
    same_ligand, same_receptor = (
        np.mean([a == b for a, b in zip(*pair, strict=True)]) for pair in ((A, ligand), (B, receptor))
    )
    assert found.ligand_identity == pytest.approx(same_ligand, abs=0.01)
    assert found.receptor_identity == pytest.approx(same_receptor, abs=0.01)
    assert found.pair_identity == min(found.ligand_identity, found.receptor_identity)
    assert found.id == "ab"


def test_a_side_is_weighed_by_residues(index: NoveltyIndex) -> None:
    (found,) = index.nearest([Complex("x", (C, random_chain(RANDOM, 100)), (B,))])
    assert found.ligand_identity == pytest.approx(len(C) / (len(C) + 100))
    assert found.id == "cd"


def test_of_equal_complexes_the_one_with_equal_chains_is_named() -> None:
    cut = Complex("cut", (A[5:],), (B,), 7.0)
    index = NoveltyIndex([cut, *TRAINING])
    (found,) = index.nearest([Complex("x", (A,), (B,))])
    assert found.id == "ab"


def test_peptides(index: NoveltyIndex) -> None:
    (near,) = index.nearest([Complex("x", ("SLYNTVATV",), (C,))])
    assert (near.ligand_identity, near.id) == (pytest.approx(8 / 9, abs=0.12), "peptide")
    (far,) = index.nearest([Complex("x", ("GILGFVFTL",), (C,))])
    assert (far.ligand_identity, far.novelty) == (0.0, "half-familiar")
    # A peptide is no relative of a long chain that happens to hold it.
    inside = A[:40] + "SLYNTVATL" + A[40:]
    (found,) = index.nearest([Complex("x", (inside,), (C,))])
    assert found.id != "peptide"
    for odd in ("A", "X", "XXX", "GP"):
        (found,) = index.nearest([Complex("x", (odd,), (odd,))])
        assert found.pair_identity == 0.0


def test_threads_and_memory_change_nothing(index: NoveltyIndex) -> None:
    items = [Complex(str(n), (mutated(A, n + 5),), (mutated(B, n + 4),)) for n in range(12)]
    alone = NoveltyIndex(TRAINING).nearest(items)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda item: index.nearest([item])[0], items * 3))
    assert found == alone * 3
    assert pair_identities(TRAINING, items).tolist() == [one.pair_identity for one in alone]


def test_without_training_complexes_nothing_is_known() -> None:
    assert np.isnan(pair_identities([], TRAINING)).all()


def test_words_find_relatives_before_others() -> None:
    chains = [random_chain(RANDOM, 100) for _ in range(200)]
    near = WordIndex([*chains, mutated(A, 4)]).nearest(A, 5)
    assert 200 in near
    assert len(near) <= 5
    assert WordIndex(["A", "GP", A]).nearest(A, 10).tolist() == [2]
    assert WordIndex([A]).nearest("GP", 10).tolist() == []
