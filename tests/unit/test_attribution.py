"""Attributions add up, are checked, and colour structures; weights and maps are those of the heads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import batch_of, random_complex

from heads.build import build_head
from heads.names import HEADS, POOLINGS
from heads.pad import PooledAttentionAddition
from heads.ragged import segment_sum
from ppi.backbones.residue import ResidueBackbone
from ppi.complexes import AMINO_ACIDS, Complex
from ppi.embedding.cache import EmbeddingCache
from ppi.errors import InputError
from ppi.explain.attribution import shapley_values
from ppi.explain.faithfulness import check_faithfulness
from ppi.explain.masking import MaskedComplex
from ppi.explain.reference import AverageResidue
from ppi.explain.structure import check_formats
from ppi.models.affinity import AffinityModel
from ppi.models.config import ModelConfig
from ppi.prediction.engine import predict_with

EVEN = np.full(20, 0.05)


@pytest.fixture(scope="module")
def complexes() -> list[Complex]:
    random = np.random.default_rng(4)
    return [random_complex(random, "a", 2, 1), random_complex(random, "b", 1, 3)]


def test_what_only_adds_up_is_found_exactly() -> None:
    weights = np.random.default_rng(0).normal(size=23)
    found = shapley_values(lambda kept: 5 + kept @ weights, 23, window=1, orders=2, seed=0)
    assert np.allclose(found.values, weights)
    assert np.allclose(found.errors, 0)
    assert found.reference == pytest.approx(5)
    assert found.prediction == pytest.approx(5 + weights.sum())


@pytest.mark.parametrize("window", [1, 4, 50])
def test_attributions_add_up_to_the_difference(window: int) -> None:
    weights = np.random.default_rng(1).normal(size=31)
    found = shapley_values(lambda kept: np.sin(kept @ weights), 31, window=window, orders=3, seed=1)
    assert found.values.sum() == pytest.approx(found.prediction - found.reference)
    assert found.prediction == pytest.approx(np.sin(weights.sum()))


def test_two_residues_that_need_each_other_share() -> None:
    found = shapley_values(
        lambda kept: (kept[:, 3] & kept[:, 7]).astype(float), 10, window=1, orders=2, seed=0
    )
    # Each order and its reverse: once one of the two comes last, once the other.
    assert found.values[[3, 7]].tolist() == [0.5, 0.5]
    assert found.values.sum() == pytest.approx(1)


def tryptophans(items: list[Complex]) -> np.ndarray:
    return np.array([float("".join(item.chains).count("W")) for item in items])


def test_a_true_attribution_is_called_faithful_and_a_false_one_is_not() -> None:
    item = Complex("a", ("GAVLW" * 6,), ("WWGAV" * 5, "GGGGG"))
    own = np.array([letter == "W" for letter in "".join(item.chains)], dtype=float)
    true = check_faithfulness(item, own, EVEN, tryptophans)
    assert true.faithful
    assert true.highest < -4
    assert true.lower < true.effect < true.upper
    false = check_faithfulness(item, -own, EVEN, tryptophans)
    assert not false.faithful
    assert "do not read the attribution" in str(false)
    nothing = check_faithfulness(item, own, EVEN, lambda items: np.zeros(len(items)))
    assert not nothing.faithful


@pytest.mark.parametrize("pooling", ["mean", "attention", "sigmoid", "gated"])
@pytest.mark.parametrize("name", sorted(HEADS))
def test_weights_make_the_pooled_vectors(name: str, pooling: str, complexes: list[Complex]) -> None:
    options = {"ec": {"late": True}, "hp": {"side_pooling": "attention", "per_side": True}}.get(name, {})
    torch.manual_seed(0)
    head = build_head(name, 48, mixer="none", pooling=pooling, **options).eval()
    batch = batch_of(ResidueBackbone(), complexes, head.encoding_unit)
    with torch.inference_mode():
        values = head._attended(batch) if isinstance(head, PooledAttentionAddition) else batch.values
        segments = batch.complexes if name == "sc" else batch.sides
        pooled = segment_sum(values * head.residue_weights(batch)[:, None], segments)
        assert torch.allclose(pooled, head.pooled(batch).flatten(0, 1), atol=1e-5)


@pytest.mark.parametrize("pooling", sorted(set(POOLINGS) - {"layers"}))
def test_weights_sum_to_one_on_each_side(pooling: str, complexes: list[Complex]) -> None:
    torch.manual_seed(0)
    head = build_head("hp", 48, mixer="none", pooling=pooling).eval()
    batch = batch_of(ResidueBackbone(), complexes, head.encoding_unit)
    with torch.inference_mode():
        total = segment_sum(head.residue_weights(batch)[:, None], batch.sides)
    assert torch.allclose(total, torch.ones_like(total), atol=1e-5)


@pytest.mark.parametrize("separate", [False, True])
def test_attention_maps_are_what_pad_attends(separate: bool, complexes: list[Complex]) -> None:
    torch.manual_seed(0)
    head = build_head("pad", 48, mixer="none", heads=1, separate_directions=separate).eval()
    assert isinstance(head, PooledAttentionAddition)
    batch = batch_of(ResidueBackbone(), complexes, "side")
    ahead, back = head.attention, head._back
    with torch.inference_mode():
        attended = head._attended(batch).split(batch.sides.lengths)
        sides = batch.values.split(batch.sides.lengths)
        maps = head.attention_maps(batch)
        for number, (of_ligand, of_receptor) in enumerate(maps):
            ligand, receptor = sides[2 * number : 2 * number + 2]
            assert of_ligand.shape == (len(ligand), len(receptor))
            assert of_receptor.shape == (len(receptor), len(ligand))
            assert torch.allclose(of_ligand.sum(dim=1), torch.ones(len(ligand)))
            expected = ligand + ahead.out(of_ligand @ ahead.value(receptor))
            assert torch.allclose(attended[2 * number], expected, atol=1e-5)
            expected = receptor + back.out(of_receptor @ back.value(ligand))
            assert torch.allclose(attended[2 * number + 1], expected, atol=1e-5)


@pytest.mark.parametrize(
    "settings",
    [
        {"head": "hp", "mixer": "convbert"},
        {"head": "ec", "mixer": "none", "members": 2},
        {"head": "pad", "mixer": "none"},
        {"head": "sc", "mixer": "none", "head_options": {"symmetric": True}},
    ],
    ids=lambda settings: settings["head"],
)
def test_nothing_replaced_is_the_prediction(settings: dict, complexes: list[Complex]) -> None:
    model = AffinityModel(ModelConfig(**settings), seed=0).eval()
    cache = EmbeddingCache(model.backbone, "cpu")
    average = AverageResidue.of_training(model, complexes, cache)
    expected = predict_with(model, complexes, cache).mean
    for number, item in enumerate(complexes):
        masked = MaskedComplex(model, item, average, cache)
        kept = np.ones((3, masked.residues), dtype=bool)
        kept[1] = False
        kept[2, 0] = False
        found = masked.predict(kept)
        assert found[0] == pytest.approx(expected[number], abs=1e-5)
        assert len(set(found.tolist())) == 3


def test_without_residues_two_complexes_of_the_same_lengths_are_one(complexes: list[Complex]) -> None:
    model = AffinityModel(ModelConfig(head="hp", mixer="none"), seed=0).eval()
    cache = EmbeddingCache(model.backbone, "cpu")
    average = AverageResidue.of_training(model, complexes, cache)
    one = complexes[0]
    other = Complex(
        "other", tuple("G" * len(c) for c in one.ligand), tuple("K" * len(c) for c in one.receptor)
    )
    found = [
        MaskedComplex(model, item, average, cache).predict(np.zeros((1, sum(map(len, one.chains))), bool))
        for item in (one, other)
    ]
    assert found[0] == pytest.approx(found[1])


def test_the_average_residue_needs_training_complexes() -> None:
    model = AffinityModel(ModelConfig(head="hp", mixer="none"), seed=0).eval()
    cache = EmbeddingCache(model.backbone, "cpu")
    with pytest.raises(InputError, match="saved without its training complexes"):
        AverageResidue.of_training(model, [], cache)
    found = AverageResidue.of_training(model, [Complex("a", ("AAAC",), ("C",))], cache)
    assert found.composition[[AMINO_ACIDS.index("A"), AMINO_ACIDS.index("C")]].tolist() == [0.6, 0.4]
    own = model.backbone.embed([("A",), ("C",)])
    assert torch.allclose(found.embedding, 0.6 * own[0] + 0.4 * own[1])


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("a.pdb", "b.cif", "in the format of the structure, a.pdb"),
        ("a.cif", "b.cif.gz", "in the format of the structure, a.cif"),
        ("a.pdb", "b.txt", "unknown suffix '.txt'"),
    ],
)
def test_a_structure_stays_in_its_format(source: str, target: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_formats(Path(source), Path(target))
    check_formats(Path("a.pdb.gz"), Path("b.ent"))
