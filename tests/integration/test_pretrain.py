"""Pretraining runs: from sequences to a backbone, killed and resumed, prolonged, and what goes wrong."""

from __future__ import annotations

import csv
import dataclasses
import logging
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import REPOSITORY
from safetensors.torch import load_file
from tiny_pretraining import TINY, write_sequences
from transformers import EsmForMaskedLM

from data_curation.errors import OutputError
from ppi.backbones.registry import build_backbone
from ppi.cli import main
from ppi.errors import ModelError, PpiWarning, SettingsError, TrainingError
from ppi.pretraining.checkpoint import read_checkpoint, shrink_checkpoint
from ppi.pretraining.optimiser import Learner
from ppi.pretraining.run import Pretrained, pretrain
from ppi.pretraining.settings import PretrainSettings, RunOptions


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sequences of five kinds, each of which has four residues of its own."""
    alphabets = ("ACDE", "FGHI", "KLMN", "PQRS", "TVWY")
    return write_sequences(tmp_path_factory.mktemp("corpus") / "sequences.txt", alphabets)


@pytest.fixture(scope="module")
def prepared(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs find the tokens, which the first of them makes."""
    return tmp_path_factory.mktemp("prepared") / "corpus"


@pytest.fixture
def go(corpus: Path, prepared: Path) -> Any:
    def run(output: Path, settings: PretrainSettings = TINY, **options: Any) -> Pretrained:
        given = {"prepared": prepared, "log_steps": 4, "evaluate_steps": 12, "threads": 1, **options}
        return pretrain([corpus], output=output, settings=settings, options=RunOptions(**given))

    return run


class KilledError(Exception):
    """Ends a run between two steps."""


def after_steps(monkeypatch: pytest.MonkeyPatch, steps: int, what: Any) -> None:
    """Do something instead of the step after some steps."""
    original, count = Learner.step, iter(range(10_000))

    def counting(self: Learner, rate: float) -> None:
        if next(count) == steps:
            what()
        original(self, rate)

    monkeypatch.setattr(Learner, "step", counting)


def kill() -> None:
    raise KilledError


def rows(output: Path) -> list[dict[str, str]]:
    with (output / "log.csv").open() as file:
        return list(csv.DictReader(file))


def without_times(output: Path) -> list[dict[str, str]]:
    return [
        {k: v for k, v in row.items() if k not in ("seconds", "tokens_per_second")} for row in rows(output)
    ]


def test_it_learns_and_the_result_is_a_backbone(
    tmp_path: Path, go: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="ppi")
    done = go(tmp_path / "run", dataclasses.replace(TINY, steps=150))
    assert done.state.step == 150
    assert done.validation.perplexity < 0.8 * done.unigram_perplexity
    assert done.unigram_perplexity == pytest.approx(20, rel=0.05)
    backbone = build_backbone(str(done.model), precision="float32")
    assert backbone.embed([("MKVLAW",), ("ACD", "EFGH")]).shape == (13, 32)
    assert (tmp_path / "run" / "curve.png").read_bytes().startswith(b"\x89PNG")
    logged = rows(tmp_path / "run")
    assert [int(row["step"]) for row in logged if row["validation_perplexity"]] == [*range(12, 150, 12), 150]
    assert float(logged[-1]["validation_perplexity"]) == pytest.approx(done.validation.perplexity, abs=1e-3)
    assert capsys.readouterr().out == ""
    assert sum(line.startswith("step ") for line in caplog.messages) == len(logged)


@pytest.mark.parametrize(
    ("precision", "optimizer"),
    [("float32", "adamw"), ("bfloat16", "muon"), pytest.param("float32", "muon", marks=pytest.mark.slow)],
)
def test_killed_and_resumed_ends_as_if_nothing_had_happened(
    tmp_path: Path, go: Any, monkeypatch: pytest.MonkeyPatch, precision: Any, optimizer: Any
) -> None:
    # A checkpoint after each step; 13 lies inside the second epoch, and between two lines of the log.
    settings = dataclasses.replace(TINY, precision=precision, optimizer=optimizer)
    go(tmp_path / "whole", settings)
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        after_steps(patch, 13, kill)
        go(tmp_path / "killed", settings, checkpoint_minutes=0)
    assert not (tmp_path / "killed" / "model").exists()
    go(tmp_path / "killed", settings, resume=True)
    whole, resumed = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("whole", "killed"))
    assert set(whole) == set(resumed)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    # The line whose steps lie on both sides has the mean loss of the later ones.
    assert without_times(tmp_path / "killed")[:3] == without_times(tmp_path / "whole")[:3]
    assert without_times(tmp_path / "killed")[4:] == without_times(tmp_path / "whole")[4:]


def test_a_run_is_not_resumed_with_other_settings_or_another_corpus(
    tmp_path: Path, go: Any, corpus: Path
) -> None:
    short = dataclasses.replace(TINY, steps=2)
    go(tmp_path / "run", short)
    with pytest.raises(SettingsError, match="contains a run; continue it with --resume"):
        go(tmp_path / "run", short)
    with pytest.raises(
        SettingsError, match=r"these differ: learning_rate \(0.005 there, 0.1 here\), steps \(2 there"
    ):
        go(tmp_path / "run", dataclasses.replace(TINY, learning_rate=0.1), resume=True)
    other = tmp_path / "other.txt"
    other.write_text(corpus.read_text().replace("W", "Y"))
    with pytest.raises(SettingsError, match=r"these differ: corpus \('"):
        pretrain(
            [other],
            output=tmp_path / "run",
            settings=short,
            options=RunOptions(resume=True, prepared=tmp_path / "b"),
        )
    before = (tmp_path / "run" / "log.csv").read_bytes()
    go(tmp_path / "run", short, resume=True)  # nothing is left to do
    assert (tmp_path / "run" / "log.csv").read_bytes() == before


@pytest.mark.slow
def test_a_stable_checkpoint_prolongs_a_run_as_if_it_had_been_longer(tmp_path: Path, go: Any) -> None:
    long = dataclasses.replace(TINY, steps=40)
    go(tmp_path / "short")
    stable = tmp_path / "short" / "stable.safetensors"
    assert read_checkpoint(stable)[1].step == 20  # 80 % of 24, to the next step
    go(tmp_path / "prolonged", long, decay_from=stable)
    go(tmp_path / "long", long)
    prolonged, whole = (
        load_file(tmp_path / name / "checkpoint.safetensors") for name in ("prolonged", "long")
    )
    assert all(torch.equal(whole[name], prolonged[name]) for name in whole)
    with pytest.raises(SettingsError, match="after the learning rate had begun to fall"):
        go(tmp_path / "no", long, decay_from=tmp_path / "short" / "checkpoint.safetensors")
    with pytest.raises(SettingsError, match=r"these differ: width \(32 there, 64 here\)"):
        go(tmp_path / "no", dataclasses.replace(long, width=64), decay_from=stable)
    with pytest.raises(SettingsError, match=r"these differ: optimizer \('muon' there, 'adamw' here\)"):
        go(tmp_path / "no", dataclasses.replace(long, optimizer="adamw"), decay_from=stable)
    with pytest.raises(SettingsError, match="already past the end"):
        go(tmp_path / "no", dataclasses.replace(long, steps=20), decay_from=stable)


def test_a_shrunk_checkpoint_prolongs_a_run(tmp_path: Path, go: Any) -> None:
    long = dataclasses.replace(TINY, steps=40)
    go(tmp_path / "short")
    stable, small = tmp_path / "short" / "stable.safetensors", tmp_path / "small.safetensors"
    shrink_checkpoint(stable, small)
    assert small.stat().st_size < 0.5 * stable.stat().st_size
    prolonged, from_small = (
        go(tmp_path / name, long, decay_from=path) for name, path in (("a", stable), ("b", small))
    )
    assert from_small.state.step == 40
    assert from_small.validation.perplexity == pytest.approx(prolonged.validation.perplexity, rel=0.05)


def test_a_deeper_run_begins_where_a_trained_model_ended(tmp_path: Path, go: Any) -> None:
    trained = go(tmp_path / "trained")
    settings = dataclasses.replace(
        TINY, start_from=str(trained.model), precision="float32", learning_rate=1e-30
    )
    deeper = dataclasses.replace(settings, depth=5, steps=1)
    assert go(tmp_path / "same", deeper).validation.perplexity == pytest.approx(
        go(tmp_path / "untouched", dataclasses.replace(settings, steps=1)).validation.perplexity, rel=1e-6
    )
    learns = dataclasses.replace(deeper, learning_rate=5e-3, steps=12)
    whole = go(tmp_path / "deeper", learns)
    layers = EsmForMaskedLM.from_pretrained(whole.model).esm.encoder.layer
    assert len(layers) == 5
    assert all(layer.output.dense.weight.abs().max() > 1e-3 for layer in layers)
    with pytest.raises(ModelError, match=r"has 2 layers, this run has 1; give --depth 2 or more"):
        go(tmp_path / "no", dataclasses.replace(settings, depth=1))
    with pytest.raises(ModelError, match=r"has hidden_size 32, but this run has 64; give the same"):
        go(tmp_path / "no", dataclasses.replace(settings, width=64))
    with pytest.raises(ModelError, match="there is no such model; give ppi-mini or a folder"):
        go(tmp_path / "no", dataclasses.replace(settings, start_from=str(tmp_path)))


def test_a_full_disk_keeps_the_last_checkpoint_and_the_run(
    tmp_path: Path, go: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, count = Path.write_bytes, iter(range(10_000))

    def full(self: Path, data: bytes) -> int:
        if next(count) >= 3:
            original(self, data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        return original(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with warnings.catch_warnings(record=True) as caught, pytest.raises(OutputError, match="No space left"):
        warnings.simplefilter("always")
        go(tmp_path / "run", checkpoint_minutes=0)
    messages = [str(one.message) for one in caught if issubclass(one.category, PpiWarning)]
    assert any(
        "No space left on device; the run continues, and the previous checkpoint remains" in line
        for line in messages
    )
    assert read_checkpoint(tmp_path / "run" / "checkpoint.safetensors")[1].step == 3
    assert not list((tmp_path / "run").glob(".partial*"))


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(
    tmp_path: Path, go: Any, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    original, count = Learner.backward, iter(range(10_000))

    def broken(self: Learner, batch: Any, share: float) -> torch.Tensor:
        loss = original(self, batch, share)
        if next(count) // TINY.micro_batches == 6:
            if what == "loss":
                return loss * float("nan")
            next(iter(self.weights.values())).grad[0, 0] = float("inf")
        return loss

    monkeypatch.setattr(Learner, "backward", broken)
    with pytest.raises(
        TrainingError, match=r"step 7: loss .*finite. .*the last checkpoint is .*checkpoint.safetensors"
    ):
        go(tmp_path / "run", checkpoint_minutes=0)
    tensors, state, _ = read_checkpoint(tmp_path / "run" / "checkpoint.safetensors")
    assert state.step == 6
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def test_a_run_ends_by_tokens_and_by_time(tmp_path: Path, go: Any) -> None:
    assert go(tmp_path / "a", dataclasses.replace(TINY, steps=None, tokens=1000)).state.tokens == 1024
    done = go(tmp_path / "b", dataclasses.replace(TINY, steps=None, minutes=0.01))
    assert 0.6 <= done.state.seconds < 5
    with pytest.raises(SettingsError, match="the run has no end"):
        go(tmp_path / "c", dataclasses.replace(TINY, steps=None))


def test_what_is_no_checkpoint_is_refused(tmp_path: Path, go: Any) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="not a checkpoint of a pretraining"):
        go(tmp_path / "a", decay_from=tmp_path / "bad.safetensors")


def test_compiled_layers_give_the_same(tmp_path: Path, go: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is captured and where it is cut; making machine code of it would take a minute.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    settings = dataclasses.replace(TINY, steps=2, precision="float32")
    plain, compiled = (go(tmp_path / str(flag), settings, compile=flag) for flag in (False, True))
    assert compiled.validation.perplexity == pytest.approx(plain.validation.perplexity, rel=1e-4)


@pytest.mark.slow
def test_verb_and_script_are_the_same_door(
    tmp_path: Path, corpus: Path, prepared: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(corpus), "--prepared", str(prepared), "--depth", "1", "--width", "32", "--heads", "2"]
    words += [
        "--micro-tokens",
        "128",
        "--batch-tokens",
        "128",
        "--validation-fraction",
        "0.1",
        "--steps",
        "2",
    ]
    main(["pretrain", *words, "--output", str(tmp_path / "verb")])
    # The script runs where nothing but torch, transformers, numpy and what those bring is installed.
    blocked = (
        "lightning",
        "lmdb",
        "cyclopts",
        "pandas",
        "pydantic",
        "sklearn",
        "Bio",
        "rich",
        "scipy",
        "matplotlib",
    )
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked!r})); sys.path.insert(0, 'scripts'); "
        f"from pretrain import main; main({[*words, '--output', str(tmp_path / 'script')]!r})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "there will be no curve" in done.stderr
    verb, script = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("verb", "script"))
    for name, weight in verb.items():  # threads may share the sums differently
        torch.testing.assert_close(script[name], weight, rtol=0, atol=1e-3)
    with pytest.raises(SystemExit) as ended:
        main(["pretrain", *words, "--output", str(tmp_path / "verb")])
    assert ended.value.code == 1
    assert "contains a run; continue it with --resume" in capsys.readouterr().err.splitlines()[-1]
