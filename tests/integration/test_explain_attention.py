"""`ppi explain attention`, from models with known attention to the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import random_chain, random_complex
from tiny_models import tiny_random_esm2
from transformers import EsmConfig, EsmForMaskedLM, EsmModel

from heads.mixers.block import AttentionBlock
from ppi.backbones.esm2 import Esm2Backbone
from ppi.backbones.registry import build_backbone
from ppi.cli import main
from ppi.complexes import Complex
from ppi.effects.likelihood import LanguageHead
from ppi.embedding.cache import EmbeddingCache
from ppi.errors import InputError
from ppi.explain.attention.backbone import observe_backbone
from ppi.explain.attention.data import chosen_complexes
from ppi.explain.attention.knockout import knock_out_backbone, knock_out_mixers, rmse
from ppi.explain.attention.language import LanguageLoss
from ppi.explain.attention.mixers import attention_blocks, observe_mixers
from ppi.explain.attention.reach import across_sides, distance
from ppi.explain.attention.run import DiagnosisSettings, diagnose_backbone
from ppi.explain.attention.units import units_of
from ppi.explain.attention.view import KINDS, LayerView
from ppi.io.tables import table_of
from ppi.models.affinity import AffinityModel
from ppi.models.config import ModelConfig
from ppi.prediction.engine import predict_with
from ppi.training.run import train
from ppi.training.settings import TrainSettings

WIDTH = 16


@pytest.fixture(scope="module")
def complexes() -> list[Complex]:
    random = np.random.default_rng(4)
    return [random_complex(random, f"c{number}", ligand=1 + number % 2) for number in range(4)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ESM-2 with a language head. In layer 0 head 1 attends evenly; in layer 1 head 0 is never used."""
    path = tmp_path_factory.mktemp("esm2") / "tiny"
    config: EsmConfig = tiny_random_esm2(initializer_range=0.3).config
    torch.manual_seed(2)
    model = EsmForMaskedLM(config)
    with torch.no_grad():
        first, second = model.esm.encoder.layer
        first.attention.self.query.weight[WIDTH:] = 0
        first.attention.self.query.bias[WIDTH:] = 0
        second.attention.output.dense.weight[:, :WIDTH] = 0
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Esm2Backbone:
    backbone = build_backbone(str(folder), precision="float32")
    assert isinstance(backbone, Esm2Backbone)
    return backbone.requires_grad_(False)


def attention_model(**changes: Any) -> AffinityModel:
    settings: dict[str, Any] = {
        "head": "hp",
        "mixer": "attention",
        "mixer_options": {"heads": 4, "depth": 2},
        "members": 2,
        "label_mean": 7.0,
    }
    return AffinityModel(ModelConfig(**(settings | changes)), seed=0).eval()


def views_of(model: AffinityModel, item: Complex) -> list[LayerView]:
    found: list[LayerView] = []
    with torch.inference_mode():
        observe_mixers(model, item, EmbeddingCache(model.backbone, "cpu"), found.append)
    return found


def run(*words: object) -> int:
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_the_weights_are_those_of_the_library(encoder: Esm2Backbone, folder: Path) -> None:
    chain = random_chain(np.random.default_rng(0), 21)
    views = list(observe_backbone(encoder, (chain,), (0,)))
    ids = torch.from_numpy(encoder.vocabulary.encode([(chain,)]).ids).unsqueeze(0)
    model = EsmModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation="eager").eval()
    expected = model(ids, output_attentions=True, output_hidden_states=True)
    assert [view.place.layer for view in views] == [0, 1]
    for view, weights, hidden in zip(views, expected.attentions, expected.hidden_states, strict=False):
        torch.testing.assert_close(view.weights, weights[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(view.hidden, hidden[0], atol=1e-4, rtol=1e-4)
    assert [KINDS[kind] for kind in views[0].rows.kind[[0, 1, 2, 22]].tolist()] == [
        "special token",
        "first residue",
        "other residue",
        "special token",
    ]


def test_a_head_without_queries_spans_a_third_of_the_chain(encoder: Esm2Backbone) -> None:
    length = 45
    first, _ = observe_backbone(encoder, ("A" * 20 + "W" * 25,), (0,))
    assert distance(first)[1].item() == pytest.approx((length**2 - 1) / (3 * length), rel=1e-5)


def test_the_loss_is_that_of_the_library(encoder: Esm2Backbone, folder: Path) -> None:
    random = np.random.default_rng(1)
    units = [(random_chain(random, 30),), (random_chain(random, 50), "MK")]
    loss = LanguageLoss(encoder, LanguageHead.read(str(folder)), units, seed=5)
    total, count = loss.per_unit()
    assert count.tolist() == [4, 8]
    model = EsmForMaskedLM.from_pretrained(folder).eval()
    ((batch, masked),) = loss._batches
    pieces = torch.split(masked.ids, masked.lengths)
    for place, ids in zip(batch, pieces, strict=True):
        hidden = (ids == 32).nonzero().squeeze(1)
        truth = torch.from_numpy(encoder.vocabulary.encode([units[place]]).ids)[hidden]
        # Only the 20 amino acids, tokens 4 to 23, are candidates.
        scores = model(ids.unsqueeze(0)).logits[0, hidden, 4:24]
        expected = torch.nn.functional.cross_entropy(scores, truth - 4, reduction="sum").item()
        assert total[place] == pytest.approx(expected, rel=1e-4)


def test_a_head_that_is_never_used_has_no_importance(encoder: Esm2Backbone, complexes: list[Complex]) -> None:
    units = units_of(complexes, "chain", encoder.max_residues)
    found = knock_out_backbone(encoder, LanguageHead.read(encoder.spec), units, seed=0)
    assert [(place.layer, head) for place, head in found.attention_heads] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert np.abs(found.effects[2]).max() < 1e-6
    assert np.abs(found.effects[[0, 1, 3]]).min(axis=1).max() > 1e-4
    again = knock_out_backbone(encoder, LanguageHead.read(encoder.spec), units, seed=0)
    assert np.array_equal(found.effects, again.effects)


def test_switching_a_head_off_is_zeroing_its_columns(encoder: Esm2Backbone, folder: Path) -> None:
    units = [[((random_chain(np.random.default_rng(3), 40),), (0,))]]
    head = LanguageHead.read(str(folder))
    found = knock_out_backbone(encoder, head, units, seed=0)
    other = build_backbone(str(folder), precision="float32")
    assert isinstance(other, Esm2Backbone)
    with torch.no_grad():
        other.blocks[0].attention.output.dense.weight[:, WIDTH:] = 0
    total, count = LanguageLoss(other, head, [units[0][0][0]], seed=0).per_unit()
    assert found.effects[1, 0] == pytest.approx(total[0] / count[0] - found.baseline, abs=1e-5)


@torch.inference_mode()
def test_mixers_are_observed_in_every_block_and_unit(complexes: list[Complex]) -> None:
    model, item = attention_model(), complexes[1]
    views = views_of(model, item)
    assert [(view.place, view.unit) for view in views] == [
        (place, unit) for place in attention_blocks(model) for unit in range(len(item.chains))
    ]
    for view in views:
        n = len(item.chains[view.unit])
        assert view.weights.shape == (4, n, n)
        assert view.outputs.shape == (n, 4, model.backbone.dim // 4)
        torch.testing.assert_close(view.weights.sum(2), torch.ones(4, n))
    first = views[0]
    values = first.hidden
    block = attention_blocks(model)[first.place]
    query, key, value = block.projected(block.norm(values))
    scores = torch.einsum("qhd,khd->hqk", query, key) / query.shape[2] ** 0.5
    torch.testing.assert_close(first.weights, scores.softmax(2))
    torch.testing.assert_close(first.outputs, torch.einsum("hqk,khd->qhd", scores.softmax(2), value))


def test_roles_and_sides_of_mixers_per_side_and_of_sequences(complexes: list[Complex]) -> None:
    item = complexes[1]
    options = {"mixer_per_side": True, "symmetric": True}
    views = views_of(attention_model(members=1, head_options=options), item)
    assert [(view.place.part, view.place.layer, view.unit) for view in views] == [
        *(("mixer", layer, unit) for layer in (0, 1) for unit in (0, 1)),
        *(("receptor mixer", layer, 2) for layer in (0, 1)),
    ]
    joint = views_of(attention_model(head="sc", members=1, head_options={"symmetric": True}), item)
    lengths = [len(chain) for chain in item.chains]
    assert [view.unit for view in joint] == [0, 1, 0, 1]
    assert joint[0].rows.side.bincount().tolist() == [sum(lengths[:2]), lengths[2]]
    assert joint[1].rows.side[0] == 1
    assert joint[1].rows.chain.bincount().tolist() == [lengths[2], *lengths[:2]]


def test_each_expert_of_a_mixture_is_observed(complexes: list[Complex]) -> None:
    options = {"expert": "attention", "experts": 2, "expert_options": {"heads": 4, "depth": 2}}
    model = attention_model(members=1, mixer="mixture", mixer_options=options)
    views = views_of(model, complexes[1])
    places = [("mixer expert 0", 0), ("mixer expert 0", 1), ("mixer expert 1", 0), ("mixer expert 1", 1)]
    assert [(view.place.part, view.place.layer) for view in views if view.unit == 0] == places
    torch.testing.assert_close(views[0].hidden, views[-len(views) // 2].hidden)
    found = knock_out_mixers(model, complexes, EmbeddingCache(model.backbone, "cpu"))
    assert found.importance.shape == (16,)
    assert (found.importance > 0).all()


def test_isolated_chains_do_not_attend_each_other(complexes: list[Complex]) -> None:
    options = {"heads": 4, "attention": "isolated"}
    for view in views_of(attention_model(head="sc", members=1, mixer_options=options), complexes[1]):
        side, chain = view.rows.side, view.rows.chain
        isolated = (side.unsqueeze(1) == side) & (chain.unsqueeze(1) != chain)
        assert isolated.any()
        assert view.weights[:, isolated].abs().max() == 0
        assert (across_sides(view) > 0).all()


def test_observing_changes_no_prediction(complexes: list[Complex]) -> None:
    model = attention_model()
    cache = EmbeddingCache(model.backbone, "cpu")
    before = predict_with(model, complexes, cache).pkd
    views_of(model, complexes[0])
    knock_out_mixers(model, complexes, cache)
    assert np.array_equal(before, predict_with(model, complexes, cache).pkd)


def test_the_importance_of_a_mixer_head_is_the_change_of_its_member(complexes: list[Complex]) -> None:
    model = attention_model()
    cache = EmbeddingCache(model.backbone, "cpu")
    width = model.backbone.dim // 4
    blocks = list(attention_blocks(model).values())
    with torch.no_grad():
        blocks[2].out.weight[:, :width] = 0
    found = knock_out_mixers(model, complexes, cache)
    unused = [(place.member, place.layer, head) for place, head in found.attention_heads].index((2, 0, 0))
    assert found.importance[unused] == 0
    assert (np.delete(found.importance, unused) > 0).all()
    base = predict_with(model, complexes, cache).pkd
    with torch.no_grad():
        blocks[0].out.weight[:, width : 2 * width] = 0
    changed = predict_with(model, complexes, cache).pkd
    assert found.effects[1] == pytest.approx(np.abs(changed - base)[0], abs=1e-5)
    assert found.rmse_changes is not None
    pkd = np.array([item.pkd for item in complexes])
    assert found.rmse_changes[1] == pytest.approx(rmse(changed[0], pkd) - rmse(base[0], pkd), abs=1e-5)


def test_attention_that_never_forms_weights_is_refused(
    complexes: list[Complex], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = attention_model()
    (block, *_) = attention_blocks(model).values()
    assert isinstance(block, AttentionBlock)
    monkeypatch.setattr(type(block.attention), "weights", lambda *_: None)
    with pytest.raises(InputError, match="SoftmaxAttention of the mixer never forms weights"):
        views_of(model, complexes[0])
    with pytest.raises(InputError, match="mixer is 'none', which has no attention"):
        attention_blocks(attention_model(mixer="none", mixer_options={}))
    reused = {"heads": 4, "depth": 2, "attention": "block-sparse", "reuse_selection": True}
    with pytest.raises(InputError, match="reuse the selection of the first one"):
        attention_blocks(attention_model(mixer_options=reused))


def test_without_a_language_head_the_rest_is_shown(complexes: list[Complex]) -> None:
    backbone = build_backbone("random-esm2-8m-seed0", precision="float32")
    found = diagnose_backbone(table_of(complexes[:1]), backbone, encoding_unit="complex")
    assert "importance" not in found.heads
    assert "ppi-mini" in found.importance
    assert found.heads["across_sides"].between(0, 1).all()
    assert found.baseline is None


def test_the_command_writes_table_json_and_page(
    folder: Path, table: pd.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, heads, result, page = (tmp_path / name for name in ("d.csv", "h.csv", "r.json", "p.html"))
    table.head(24).to_csv(data, index=False)
    files = ("--output", heads, "--json", result, "--html", page)
    words = ("explain", "attention", data, "--backbone", folder, "--unit", "complex", "--by", "source")
    assert run(*words, *files) == 0
    printed = capsys.readouterr()
    assert "4 heads in 2 layers, over 24 units (each a complex) of 24 complexes" in printed.out
    assert "Overlap of the 1 most important heads by source" in printed.out
    written = pd.read_csv(heads)
    assert written[["layer", "head"]].to_numpy().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    found = json.loads(result.read_text())
    assert [row["importance"] for row in found["heads"]] == pytest.approx(
        written["importance"].tolist(), rel=1e-4
    )
    assert found["columns"]["heads"].keys() >= set(written)
    assert found["columns"]["layers"].keys() == found["layers"][0].keys()
    text = page.read_text()
    assert text.count("<img") == len(written.columns) - 4
    assert "http" not in text.replace("http://www.w3.org", "")


def test_the_command_diagnoses_a_trained_mixer(
    table_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = TrainSettings(
        head="hp", mixer="attention", mixer_options={"heads": 4, "depth": 2}, members=2, max_epochs=1
    )
    train(table_path, output=tmp_path / "model", settings=settings)
    heads, page = tmp_path / "heads.parquet", tmp_path / "page.html"
    words = ("--model", tmp_path / "model", "--rows", "6", "--output", heads, "--html", page)
    capsys.readouterr()
    assert run("explain", "attention", table_path, *words) == 0
    assert "16 heads in 4 layers" in capsys.readouterr().out
    written = pd.read_parquet(heads)
    assert written["member"].tolist() == [1] * 8 + [2] * 8
    assert (written["importance"] > 0).all()
    assert written["rmse_change"].notna().all()
    assert page.read_text().count("<img") == written.notna().any().sum() - 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--epsilon", "1.5"), "epsilon is 1.5; give a number between 0 and 1"),
        (("--rows", "0"), "the number of rows is 0; give 1 or more"),
        (("--backbone", "residue"), "'residue' has no attention; name a language model"),
        (("--by", "colour"), "the table has no column 'colour'"),
        (("--by", "source", "--no-knock-out"), "leave out --no-knock-out"),
        (("--model", "default", "--unit", "chain"), "leave out --backbone and --unit, or --model"),
    ],
)
def test_wrong_input_is_one_line(
    words: tuple[str, ...], message: str, table_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("explain", "attention", table_path, *words) == 1
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1
    assert message in errors[0]


def test_the_default_data_are_drawn_with_a_seed() -> None:
    first, again, other = (chosen_complexes([], rows=5, seed=seed) for seed in (0, 0, 1))
    assert [item.id for item in first.complexes] == [item.id for item in again.complexes]
    assert [item.id for item in first.complexes] != [item.id for item in other.complexes]
    assert DiagnosisSettings().knock_out
