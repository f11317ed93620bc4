"""The share of attention heads that training chooses: by knock-out, on training rows, kept over a kill."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import tiny_random_esm2
from transformers import EsmForMaskedLM

import ppi
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.registry import build_backbone
from ppi.complexes import Complex
from ppi.effects.likelihood import LanguageHead
from ppi.errors import InputError, SettingsError
from ppi.explain.attention import language
from ppi.explain.attention.knockout import knock_out_backbone
from ppi.explain.attention.units import SidedUnit, units_of
from ppi.io.tables import read_complexes
from ppi.models.folder import load_model
from ppi.prediction.engine import predict_members
from ppi.study.cells import Configuration
from ppi.study.preparation import prepare_models
from ppi.training import head_ranking, run
from ppi.training.head_ranking import rank_heads, with_best_heads
from ppi.training.module import AffinityModule
from ppi.training.settings import TrainSettings

DEPTH, HEADS, WIDTH = 3, 4, 8
NOTHING_KNOWN = np.zeros(12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An ESM-2 with its language head, whose weights are large enough for every head to matter."""
    path = tmp_path_factory.mktemp("esm2") / "tiny"
    sizes = {"num_hidden_layers": DEPTH, "num_attention_heads": HEADS, "initializer_range": 0.3}
    config = tiny_random_esm2(**sizes).config
    torch.manual_seed(2)
    EsmForMaskedLM(config).save_pretrained(path)
    return str(path)


@pytest.fixture(scope="module")
def complexes(table_path: Path) -> list[Complex]:
    return read_complexes(table_path).complexes


def settings_of(folder: str, share: float = 0.25, **changes: Any) -> TrainSettings:
    tuning = {"method": "attention-heads", "attention_heads": [f"auto:{share}"], "learning_rate": 1e-2}
    small = {"head": "hp", "mixer": "none", "batch_residues": 400, "max_epochs": 2, "precision": "float32"}
    return TrainSettings(backbone=folder, tuning=tuning, **(small | changes))


def test_the_heads_are_those_that_the_loss_rises_without(
    folder: str, complexes: list[Complex], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_ranking, "SAMPLED_RESIDUES", 10**6)
    found = rank_heads(settings_of(folder, seed=3), complexes[:5], "cpu")
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert set(found) == {f"{layer}:{head}" for layer in range(DEPTH) for head in range(HEADS)}
    # What zeroed columns of the output projection do, in the order in which the complexes were drawn.
    order = np.random.default_rng(3).permutation(5)
    units = [(chain,) for number in order for chain in complexes[number].chains]
    changes = {}
    for name in (None, *found):
        encoder = build_backbone(folder, precision="float32")
        assert isinstance(encoder, PackedEncoder)
        if name is not None:
            layer, head = map(int, name.split(":"))
            weight = encoder.blocks[layer].get_submodule(encoder.projection_out).get_parameter("weight")
            with torch.no_grad():
                weight[:, head * WIDTH : (head + 1) * WIDTH] = 0
        loss = language.LanguageLoss(encoder, LanguageHead.read(folder), units, seed=3)
        total, count = loss.per_unit()
        own = np.repeat(np.arange(5), [len(complexes[number].chains) for number in order])
        changes[name] = np.bincount(own, total) / np.bincount(own, count)
    expected = {name: float((changes[name] - changes[None]).mean()) for name in found}
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("share", "count"), [(0.01, 1), (0.05, 1), (0.25, 3), (1.0, 12)])
def test_the_share_is_rounded_and_one_head_at_least(folder: str, share: float, count: int) -> None:
    importance = {f"0:{number}": 12.0 - number for number in range(12)}
    chosen = with_best_heads(settings_of(folder, share), importance).model.tuning
    assert chosen.attention_heads == tuple(importance)[:count]
    assert chosen.share is None


def test_only_layers_that_the_embeddings_come_from_are_ranked(folder: str, complexes: list[Complex]) -> None:
    found = rank_heads(settings_of(folder, layers=(1,)), complexes[:2], "cpu")
    assert set(found) == {f"0:{head}" for head in range(HEADS)}


def test_the_cost_is_bounded(folder: str, complexes: list[Complex], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Sequence[Sequence[SidedUnit]]] = []

    def knock_out(encoder: Any, head: Any, given: Sequence[Sequence[SidedUnit]], *, seed: int) -> Any:
        drawn.append(given)
        return knock_out_backbone(encoder, head, given, seed=seed)

    monkeypatch.setattr(head_ranking, "knock_out_backbone", knock_out)
    monkeypatch.setattr(head_ranking, "SAMPLED_RESIDUES", 300)
    found = [rank_heads(settings_of(folder, seed=seed), complexes, "cpu") for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    units = {unit for item in units_of(complexes, "chain", 1000) for unit, _ in item}
    for given in drawn:
        residues = [sum(len(chain) for unit, _ in item for chain in unit) for item in given]
        assert sum(residues[:-1]) < 300 <= sum(residues)
        assert {unit for item in given for unit, _ in item} <= units


def test_a_model_names_its_heads_and_a_run_resumes_with_them(
    folder: str,
    table_path: Path,
    complexes: list[Complex],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings, ranked = settings_of(folder), list[Sequence[Complex]]()

    def rank(settings: TrainSettings, given: Sequence[Complex], device: str) -> dict[str, float]:
        ranked.append(given)
        return rank_heads(settings, given, device)

    def train(name: str, **options: Any) -> Any:
        return ppi.train(
            table_path,
            output=tmp_path / name,
            settings=settings,
            validation_identity=NOTHING_KNOWN,
            **options,
        )

    monkeypatch.setattr(run, "rank_heads", rank)
    whole = train("whole")
    assert {item.id for item in ranked[0]} == {f"c{n}" for n in range(48) if n % 4 < 2}  # training rows
    chosen = whole.model.config.tuning.attention_heads
    ranking = whole.manifest["attention_heads"]
    assert list(chosen) == list(ranking)[:3]
    assert whole.manifest["settings"]["tuning"]["attention_heads"] == list(chosen)
    config = json.loads((tmp_path / "whole" / "config.json").read_text())
    assert config["tuning"]["attention_heads"] == list(chosen)
    again = load_model(tmp_path / "whole")
    expected = predict_members(whole.model, complexes).pkd
    assert np.array_equal(predict_members(again.model, complexes).pkd, expected)

    original, steps = AffinityModule.training_step, iter(range(100))

    def until_killed(self: AffinityModule, rows: list[int], index: int) -> None:
        if self.current_epoch == 1 and next(steps) == 1:
            raise KeyboardInterrupt
        original(self, rows, index)

    with monkeypatch.context() as patch:
        patch.setattr(AffinityModule, "training_step", until_killed)
        with pytest.raises(KeyboardInterrupt):
            train("killed")
    assert len(ranked) == 2
    train("killed", resume=True)
    assert len(ranked) == 2  # It was not ranked again.
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_backbones_without_a_language_head(
    folder: str, table_path: Path, complexes: list[Complex], tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="the backbone residue has nothing to train"):
        rank_heads(settings_of("residue"), complexes, "cpu")
    message = r"auto:0.25 needs the loss of a masked language model, but .*; name the heads to train"
    with pytest.raises(SettingsError, match=message):
        settings = settings_of("random-esm2-8m-seed0")
        ppi.train(table_path, output=tmp_path / "m", settings=settings, validation_identity=NOTHING_KNOWN)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="but the backbone takes"):
        rank_heads(settings_of(folder), [Complex("long", ("A" * 10**6,), ("MK",), 7.0)], "cpu")


def test_a_study_prepares_configurations_with_a_share_of_heads(folder: str, complexes: list[Complex]) -> None:
    item = Configuration("share", {"share": 0.25}, settings_of(folder))
    prepare_models([item], complexes, devices=["cpu"], store=None)
