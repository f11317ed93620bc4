"""Effects of mutations: notation, symmetries, folder, and where a known interface is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY

from ppi.complexes import Complex
from ppi.effects.features import CONTEXT_NAMES, FEATURE_NAMES, rows
from ppi.effects.model import EffectModel
from ppi.effects.mutations import (
    Mutation,
    apply_mutations,
    check_mutations,
    mutations_between,
    parse_mutation,
)
from ppi.effects.scores import interface_auroc, score_effects
from ppi.errors import InputError, ModelError
from ppi.io.inputs import read_inputs

#: Residues of barnase and barstar within 5 angstrom of the other one in 1BRS, by their place in the example.
INTERFACE = (
    (25, 33, 35, 36, 53, 54, 55, 56, 57, 58, 60, 71, 80, 81, 82, 83, 85, 99, 100, 101, 102),
    (27, 29, 30, 31, 33, 34, 35, 36, 38, 39, 40, 42, 43, 44, 45, 46, 47, 71, 74),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EffectModel]:
    loaded = EffectModel.load(device="cpu", store=tmp_path_factory.mktemp("store"))
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def barnase() -> Complex:
    return read_inputs(REPOSITORY / "examples" / "barnase_barstar.fasta").complexes[0]


@pytest.fixture
def tiny() -> Complex:
    return Complex("tiny", ("ACDEF", "ACDEG"), ("GHIKL",))


@pytest.fixture(scope="module")
def variants(barnase: Complex) -> list[tuple[Mutation, ...]]:
    chains = {"ligand": barnase.ligand[0], "receptor": barnase.receptor[0]}
    places = [("ligand", 10), ("ligand", 40), ("receptor", 30), ("receptor", 60)]
    single = [
        Mutation(side, 1, place, chains[side][place - 1], "W" if chains[side][place - 1] != "W" else "A")
        for side, place in places
    ]
    return [(), *((item,) for item in single), tuple(single)]


def test_notation_is_read_as_it_is_printed(tiny: Complex) -> None:
    mutation = Mutation("ligand", 2, 5, "G", "A")
    assert str(mutation) == "ligand:2:G5A"
    assert parse_mutation(str(mutation), tiny) == mutation
    assert parse_mutation("G5A", tiny) == mutation
    assert parse_mutation("H2W", tiny) == Mutation("receptor", 1, 2, "H", "W")
    assert mutation.reversed().reversed() == mutation


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A1G", "fits 2 chains.*ligand:1:A1G or ligand:2:A1G"),
        ("W1G", "position 1 is A in ligand chain 1, A in ligand chain 2, G in receptor chain 1"),
        ("W9G", "position 9 is behind the end of every chain"),
        ("ligand:1:W1G", "the wild type does not fit: position 1 is A, not W"),
        ("ligand:1:A6G", "ligand chain 1 has 5 residues"),
        ("ligand:3:A1G", r"the ligand has 2 chain\(s\)"),
        ("ligand:1:A1A", "the mutant equals the wild type"),
        ("ligand:1:A0G", "counted from 1"),
        ("ligand:1:A1B", "'B' is not an amino acid"),
        ("mutate it", "is no mutation; write ligand:1:H102A"),
    ],
)
def test_what_does_not_fit_is_refused(tiny: Complex, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_mutation(text, tiny)


def test_mutations_are_applied_and_found_again(tiny: Complex) -> None:
    mutations = (Mutation("ligand", 1, 1, "A", "W"), Mutation("receptor", 1, 5, "L", "K"))
    mutant = apply_mutations(tiny, mutations)
    assert mutant.ligand == ("WCDEF", "ACDEG")
    assert mutant.receptor == ("GHIKK",)
    assert mutations_between(tiny, mutant) == mutations
    assert apply_mutations(tiny, ()) is tiny


def test_one_position_is_changed_once(tiny: Complex) -> None:
    both = (Mutation("ligand", 1, 1, "A", "W"), Mutation("ligand", 1, 1, "A", "K"))
    with pytest.raises(InputError, match="change the same position"):
        check_mutations(tiny, both)


def test_only_equal_lengths_are_compared(tiny: Complex) -> None:
    with pytest.raises(InputError, match="chains of"):
        mutations_between(tiny, Complex("other", ("ACDEF", "ACDE"), ("GHIKL",)))


def test_features_have_names(model: EffectModel, barnase: Complex, variants: list) -> None:
    forward, backward = rows(model.context(barnase), variants[-1])
    assert forward.shape == backward.shape == (4, len(FEATURE_NAMES))
    assert np.isfinite(forward).all()
    around = slice(len(FEATURE_NAMES) - len(CONTEXT_NAMES), None)
    assert np.array_equal(forward[:, around], backward[:, around])


def test_no_mutation_has_no_effect(model: EffectModel, barnase: Complex) -> None:
    assert model.ddg(barnase, [(), ()]).tolist() == [0.0, 0.0]


def test_the_way_back_has_the_opposite_effect(model: EffectModel, barnase: Complex, variants: list) -> None:
    there = model.ddg(barnase, variants)
    for effect, variant in zip(there, variants, strict=True):
        mutant = apply_mutations(barnase, variant)
        back = model.ddg(mutant, [[item.reversed() for item in variant]], context=barnase)
        assert back[0] == -effect


def test_sites_add_up_without_crowding(model: EffectModel, barnase: Complex, variants: list) -> None:
    config = replace(model.parts.config, crowding=0.0)
    additive = EffectModel(replace(model.parts, config=config), model._cache)
    effects = additive.ddg(barnase, variants)
    assert effects[-1] == pytest.approx(effects[1:-1].sum(), abs=1e-12)
    assert np.array_equal(model.ddg(barnase, variants)[:-1], effects[:-1])


def test_the_order_of_mutations_does_not_matter(model: EffectModel, barnase: Complex, variants: list) -> None:
    assert np.ptp(model.ddg(barnase, [variants[-1], variants[-1][::-1]])) == 0


def test_exchanging_the_sides_changes_nothing(model: EffectModel, barnase: Complex, variants: list) -> None:
    swapped = Complex("swapped", barnase.receptor, barnase.ligand)
    other = {"ligand": "receptor", "receptor": "ligand"}
    turned = [[replace(item, side=other[item.side]) for item in variant] for variant in variants]
    assert np.array_equal(model.ddg(barnase, variants), model.ddg(swapped, turned))


def test_a_saved_model_predicts_the_same(
    model: EffectModel, barnase: Complex, variants: list, tmp_path: Path
) -> None:
    model.save(tmp_path / "model", card="A model.\n")
    again = EffectModel.load(tmp_path / "model", device="cpu", store=tmp_path / "store")
    assert np.array_equal(model.ddg(barnase, variants), again.ddg(barnase, variants))
    assert again.parts.config == model.parts.config


def test_a_damaged_folder_is_refused(model: EffectModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model", card="A model.\n")
    weights = tmp_path / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="damaged or were replaced"):
        EffectModel.load(tmp_path / "model")
    weights.unlink()
    with pytest.raises(ModelError, match=r"model.safetensors is missing"):
        EffectModel.load(tmp_path / "model")
    shutil.rmtree(tmp_path / "model")
    with pytest.raises(ModelError, match=r"config.json: cannot be read"):
        EffectModel.load(tmp_path / "model")


def test_another_backbone_is_refused_but_not_another_data_type(model: EffectModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model", card="A model.\n")
    manifest = tmp_path / "model" / "manifest.json"
    content = json.loads(manifest.read_text())
    weights, _, dtype = content["backbone_identity"].rpartition(" ")
    other = "float32" if dtype == "bfloat16" else "bfloat16"
    manifest.write_text(json.dumps({**content, "backbone_identity": f"{weights} {other}"}))
    EffectModel.load(tmp_path / "model", device="cpu", store=tmp_path / "store")
    manifest.write_text(json.dumps({**content, "backbone_identity": f"another {weights} {dtype}"}))
    with pytest.raises(ModelError, match="trained on the embeddings of 'another"):
        EffectModel.load(tmp_path / "model")


def test_the_interface_of_a_known_complex_is_found(model: EffectModel, barnase: Complex) -> None:
    truth = [np.zeros((len(side[0]), 1)) for side in (barnase.ligand, barnase.receptor)]
    for side, places in zip(truth, INTERFACE, strict=True):
        side[np.array(places) - 1] = 1
    assert interface_auroc(truth, model.location(barnase)) > 0.65


def test_scores_are_within_structures() -> None:
    measured = np.tile(np.arange(10.0), 2)
    score = score_effects(["a"] * 10 + ["b"] * 10, measured, np.concatenate([np.arange(10), -np.arange(10)]))
    assert score.structures == 2
    assert score.within == pytest.approx(0.0)
    assert (score.lower, score.upper) == (-1.0, 1.0)
