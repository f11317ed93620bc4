"""`ppi pretrain --select`: heads that retrieve, heads switched off, scores of sequences, their ranking."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_pretraining import TINY, write_sequences

from ppi.backbones.esm2 import Esm2Backbone
from ppi.backbones.packing import Pack
from ppi.backbones.registry import build_backbone
from ppi.errors import BackboneError, InputError, SettingsError
from ppi.explain.attention.packs import PackWithoutHeads
from ppi.pretraining import retrieval, selection
from ppi.pretraining.corpus import TokenizedSequences, _tokenize
from ppi.pretraining.retrieval import copy_attention, most_retrieving
from ppi.pretraining.run import Pretrained, pretrain
from ppi.pretraining.settings import PretrainSettings, RunOptions

SHORT = dataclasses.replace(TINY, warmup_steps=2, steps=3, precision="float32")


def encoder(spec: str) -> Esm2Backbone:
    found = build_backbone(spec, precision="float32")
    assert isinstance(found, Esm2Backbone)
    return found


@pytest.fixture(scope="module")
def mini() -> Esm2Backbone:
    return encoder("ppi-mini")


@pytest.fixture
def few_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight sequences with a repeated segment are enough to tell the heads apart."""
    monkeypatch.setattr(retrieval, "_SEQUENCES", 8)


@pytest.mark.usefixtures("few_copies")
def test_two_heads_of_ppi_mini_look_at_copies(mini: Esm2Backbone) -> None:
    scores = copy_attention(mini, seed=0)
    assert scores.shape == (6, 5)
    off = most_retrieving(scores)
    assert len(off) == 2
    others = scores.copy()
    for layer, head in off:
        assert scores[layer, head] > 0.1
        others[layer, head] = 0
    assert others.max() < 0.05
    np.testing.assert_array_equal(scores, copy_attention(mini, seed=0))


@pytest.mark.usefixtures("few_copies")
def test_heads_with_random_weights_look_at_nothing_in_particular() -> None:
    scores = copy_attention(encoder("random-esm2-8m-seed0"), seed=0)
    assert scores == pytest.approx(np.full((6, 20), 1 / 172), rel=0.3)


def test_the_best_heads_are_named_by_layer_and_number() -> None:
    scores = np.zeros((3, 20))
    scores[1, 4], scores[2, 0], scores[0, 19] = 0.5, 0.9, 0.4
    assert most_retrieving(scores) == [(2, 0), (1, 4), (0, 19)]
    assert most_retrieving(np.array([[0.1, 0.2]])) == [(0, 1)]


@torch.inference_mode()
def last_state(backbone: Esm2Backbone, pack: Pack) -> torch.Tensor:
    tokens = backbone.vocabulary.encode([("ACDEFGHIKL",), ("MNPQRSTVWY",)])
    *_, last = backbone.states(torch.from_numpy(tokens.ids), pack)
    return last


def test_heads_are_switched_off_one_by_one_or_together(mini: Esm2Backbone) -> None:
    one = last_state(mini, PackWithoutHeads([12, 12], "cpu", off=[(2, 1)]))
    none = last_state(mini, PackWithoutHeads([12, 12], "cpu", off=[]))
    torch.testing.assert_close(none, last_state(mini, Pack([12, 12], "cpu")))
    outputs = last_state(mini, PackWithoutHeads([12, 12], "cpu", off=[(2, 1), (2, 4), (5, 0)]))
    assert min((outputs - other).abs().max() for other in (one, none)) > 0.01


def test_the_outputs_of_some_heads_are_zero() -> None:
    values = torch.randn(6, 4, 8)
    pack = PackWithoutHeads([6], "cpu", off=[(1, 0), (1, 3)])
    full, cut = (pack.attend(values, values, values, scale=1.0).unflatten(1, (4, 8)) for _ in range(2))
    assert full.abs().amin() > 0
    assert not cut[:, [0, 3]].any()
    torch.testing.assert_close(cut[:, [1, 2]], full[:, [1, 2]])


def test_the_highest_scores_are_selected_and_unknown_ones_last() -> None:
    table = pd.DataFrame({"influence": [0.1, np.nan, 0.3, 0.3, -0.2]})
    assert selection._ranked(table, 0.4)["selected"].tolist() == [False, False, True, True, False]
    assert selection._ranked(table, 0.2)["selected"].tolist() == [False, False, True, False, False]
    assert selection._ranked(table, 0.99)["selected"].all()
    assert selection._ranked(table, 0.01)["selected"].sum() == 1


def test_a_sequence_is_read_from_its_start_with_x_for_other_letters() -> None:
    texts = [b"ACDEF", b"MUXBWY"]
    train = TokenizedSequences(_tokenize(texts), np.array([0, 5, 11]))
    assert selection._unit(train, 0, 3) == ("ACD",)
    assert selection._unit(train, 1, 100) == ("MXXXWY",)
    kept = selection._rows_of(train, np.array([1]))
    np.testing.assert_array_equal(kept.tokens, train.tokens[5:])
    np.testing.assert_array_equal(kept.offsets, [0, 6])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A file of sequences, and the folder of the prepared corpus."""
    folder = tmp_path_factory.mktemp("corpus")
    return write_sequences(folder / "sequences.txt", ["ACDEFGHIKL"]), folder / "prepared"


@pytest.fixture(scope="module")
def reference(files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small model with a language head."""
    return str(go(files, tmp_path_factory.mktemp("reference") / "run", SHORT).model)


def go(files: tuple[Path, Path], output: Path, settings: PretrainSettings, **options: Any) -> Pretrained:
    given = RunOptions(prepared=files[1], threads=1, evaluate_steps=100, device="cpu", **options)
    return pretrain([files[0]], output=output, settings=settings, options=given)


def test_a_run_trains_on_the_selected_sequences(
    files: tuple[Path, Path], reference: str, tmp_path: Path
) -> None:
    settings = dataclasses.replace(SHORT, select=reference, select_share=0.3)
    done = go(files, tmp_path / "run", settings)
    manifest = json.loads((done.model / "manifest.json").read_text())
    table = pd.read_parquet(tmp_path / "run" / "selection" / "scores.parquet")
    assert table["selected"].sum() == round(0.3 * len(table)) == manifest["corpus"]["train"]["sequences"]
    assert table["residues"][table["selected"]].sum() == manifest["corpus"]["train"]["residues"]
    assert table["influence"][table["selected"]].min() >= table["influence"][~table["selected"]].max()
    np.testing.assert_allclose(table["influence"], table["loss_without"] - table["loss"], atol=1e-12)
    # 15 % of the first 46 residues are masked, and a model that has learnt next to nothing guesses.
    assert set(table["masked"]) == {7}
    assert table["loss"].mean() == pytest.approx(np.log(20), abs=0.7)
    found = manifest["corpus"]["selection"]
    assert len(found["heads_off"]) == 1
    assert len(found["sha256"]) == 64
    assert not list((tmp_path / "run" / "selection").glob("chunk-*"))


def test_an_interrupted_selection_is_continued_with_the_same_scores(
    files: tuple[Path, Path], reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(SHORT, select=reference, select_share=0.5)
    monkeypatch.setattr(selection, "_CHUNK", 20)
    go(files, tmp_path / "straight", settings)
    score, calls = selection._influence, list[int]()

    def stopping(*given: Any, **options: Any) -> np.ndarray:
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(len(given[3]))
        return score(*given, **options)

    with monkeypatch.context() as patch:
        patch.setattr(selection, "_influence", stopping)
        with pytest.raises(KeyboardInterrupt):
            go(files, tmp_path / "stopped", settings)
    with pytest.raises(SettingsError, match="selection exists; continue it with --resume"):
        go(files, tmp_path / "stopped", settings)
    with pytest.raises(SettingsError, match="selection with another share; give the same model"):
        go(files, tmp_path / "stopped", dataclasses.replace(settings, select_share=0.4), resume=True)

    def counting(*given: Any, **options: Any) -> np.ndarray:
        calls.append(len(given[3]))
        return score(*given, **options)

    monkeypatch.setattr(selection, "_influence", counting)
    go(files, tmp_path / "stopped", settings, resume=True)
    straight, stopped = (
        pd.read_parquet(tmp_path / name / "selection" / "scores.parquet") for name in ("straight", "stopped")
    )
    pd.testing.assert_frame_equal(straight, stopped)
    assert sum(calls) == len(stopped)


def test_a_finished_run_is_resumed_with_its_selection(
    files: tuple[Path, Path], reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(SHORT, select=reference, select_share=0.5)
    first = go(files, tmp_path / "run", settings)

    def never(*_: Any, **__: Any) -> np.ndarray:
        raise AssertionError("the sequences are scored again")

    monkeypatch.setattr(selection, "_influence", never)
    again = go(files, tmp_path / "run", settings, resume=True)
    assert again.state.step == first.state.step
    with pytest.raises(SettingsError, match="corpus"):
        go(files, tmp_path / "run", dataclasses.replace(settings, select=None), resume=True)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_is_above_0_and_below_1(share: float) -> None:
    with pytest.raises(SettingsError, match="--select-share .* give a number"):
        PretrainSettings(steps=1, select="ppi-mini", select_share=share)


def test_a_model_without_a_language_head_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--select residue is not an ESM-2; give ppi-mini"):
        go(files, tmp_path / "run", dataclasses.replace(SHORT, select="residue", precision="auto"))
    with pytest.raises(BackboneError, match="has no head of a masked language model"):
        go(files, tmp_path / "other", dataclasses.replace(SHORT, select="random-esm2-8m-seed0"))
    assert not (tmp_path / "other" / "selection").exists()
