"""The trainer: losses, pieces of a batch, fine-tuning, and runs that are killed and resumed."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import random_complex
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor

import ppi
from ppi import progress
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.registry import build_backbone
from ppi.embedding.sources import LiveUnits
from ppi.embedding.units import encode_complexes, split_into_units
from ppi.errors import InputError, SettingsError, TrainingError
from ppi.io.tables import read_complexes
from ppi.models import affinity
from ppi.models.affinity import AffinityModel
from ppi.models.config import ModelConfig
from ppi.models.folder import load_model
from ppi.prediction.engine import predict_members
from ppi.training.data import Examples
from ppi.training.hardware import Hardware
from ppi.training.labels import scale_to_labels
from ppi.training.module import AffinityModule, rate_factor
from ppi.training.settings import TrainSettings
from ppi.training.sharding import full_tensor, shard
from ppi.training.workspace import Workspace

SMALL = {"head": "hp", "mixer": "none", "batch_residues": 400}


class KilledError(Exception):
    """Ends a run in the middle of an epoch, as a kill does."""


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    original, steps = AffinityModule.training_step, iter(range(10_000))

    def counting(self: AffinityModule, rows: list[int], index: int) -> None:
        if next(steps) == step:
            raise KilledError
        original(self, rows, index)

    monkeypatch.setattr(AffinityModule, "training_step", counting)


@pytest.mark.parametrize("step", [16])
def test_killed_and_resumed_ends_as_if_nothing_had_happened(
    tmp_path: Path, table_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    # ConvBERT for its dropout, two members, and a cosine that knows how long the run is.
    settings = TrainSettings(head="hp", mixer="convbert", batch_residues=800, members=2, max_epochs=3)
    uninterrupted = ppi.train(table_path, output=tmp_path / "whole", settings=settings)
    with monkeypatch.context() as patch:
        kill_at(patch, step)
        with pytest.raises(KilledError):
            ppi.train(table_path, output=tmp_path / "killed", settings=settings)
    assert not (tmp_path / "killed").exists()
    assert (tmp_path / "killed.unfinished" / "member-0" / "last.ckpt").exists()
    (tmp_path / "killed.unfinished").rename(tmp_path / "again.unfinished")  # it may be moved
    again = ppi.train(table_path, output=tmp_path / "again", settings=settings, resume=True)
    assert again.manifest["validation"] == uninterrupted.manifest["validation"]
    for name in ("model.safetensors", "calibration.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    logs = [pd.read_csv(tmp_path / name / "training.csv") for name in ("whole", "again")]
    pd.testing.assert_frame_equal(*(log.drop(columns="seconds") for log in logs))
    assert not (tmp_path / "again.unfinished").exists()


@pytest.mark.slow
def test_a_running_training_is_refused_and_a_killed_one_has_its_epochs(
    tmp_path: Path, table_path: Path
) -> None:
    flags = [
        "--recipe",
        "network",
        "--data",
        str(table_path),
        "--head",
        "hp",
        "--mixer",
        "none",
        "--max-epochs",
        "4000",
    ]
    command = [sys.executable, "-m", "ppi", "train", *flags, "--patience", "4000"]
    command += ["--output", str(tmp_path / "m")]
    checkpoint = tmp_path / "m.unfinished" / "member-0" / "last.ckpt"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not checkpoint.exists() and process.poll() is None:
            time.sleep(0.05)
        for resume in (False, True):
            with pytest.raises(TrainingError, match="m: another run is training this model now"):
                ppi.train(table_path, output=tmp_path / "m", resume=resume)
        assert process.poll() is None  # the first one goes on
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert 1 <= len(pd.read_csv(checkpoint.parent / "training.csv")) < 4000
    # The lock has ended with the process; what it had done waits for the same settings.
    with pytest.raises(TrainingError, match="there is an unfinished run"):
        ppi.train(table_path, output=tmp_path / "m")
    other = TrainSettings(head="hp", mixer="none", max_epochs=5, patience=4000)
    with pytest.raises(TrainingError, match="has settings.max_epochs 4000, but this one has 5"):
        ppi.train(table_path, output=tmp_path / "m", settings=other, resume=True)


def test_an_unfinished_run_is_not_overwritten(
    tmp_path: Path, table_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TrainSettings(**SMALL, max_epochs=3)
    with monkeypatch.context() as patch:
        kill_at(patch, 12)
        with pytest.raises(KilledError):
            ppi.train(table_path, output=tmp_path / "m", settings=settings)
    with pytest.raises(TrainingError, match="there is an unfinished run; continue it with --resume"):
        ppi.train(table_path, output=tmp_path / "m", settings=settings)
    with pytest.raises(TrainingError, match=r"has settings.learning_rate 0.0005, but this one has 0.1"):
        other = settings.model_copy(update={"learning_rate": 0.1})
        ppi.train(table_path, output=tmp_path / "m", settings=other, resume=True)


def test_a_loss_that_is_not_finite_keeps_the_last_good_epoch(
    tmp_path: Path, table_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = AffinityModule.forward

    def broken(self: AffinityModule, examples: Examples, rows: list[int]) -> torch.Tensor:
        outputs = original(self, examples, rows)
        return outputs * torch.nan if self.training and self.current_epoch == 1 else outputs

    monkeypatch.setattr(AffinityModule, "forward", broken)
    with pytest.raises(TrainingError, match="loss is nan in batch 1 of epoch 2.*best epoch before is in"):
        ppi.train(table_path, output=tmp_path / "m", settings=TrainSettings(**SMALL, max_epochs=3))
    kept = torch.load(tmp_path / "m.unfinished" / "member-0" / "best.ckpt", weights_only=True)["state_dict"]
    assert all(torch.isfinite(tensor).all() for tensor in kept.values())


def module_of(table_path: Path, losses: dict[Any, float], backbone: str, **options: Any) -> AffinityModule:
    settings = TrainSettings(head="hp", mixer="none", losses=losses, tuning={"method": "full"}, **options)
    torch.manual_seed(0)
    config = ModelConfig(
        backbone=backbone,
        head="hp",
        mixer="none",
        precision="float32",
        heteroscedastic="gaussian" in losses,
        tuning=settings.model.tuning,
    )
    model = AffinityModel(config)
    complexes = read_complexes(table_path).complexes[:9]
    encoded, _ = encode_complexes(complexes, "chain", 500)
    random = np.random.default_rng(0)
    examples = Examples(encoded, random.normal(size=9), random.uniform(0.5, 2, size=9), np.arange(9))
    module = AffinityModule(model.heads[0], LiveUnits(model.backbone), examples, examples, settings, 10, 0)
    module.manual_backward = lambda loss: loss.backward()
    module._synchronised = lambda last: nullcontext()  # type: ignore[method-assign]
    return module


@pytest.mark.parametrize(
    "losses", [{"mse": 1.0}, {"gaussian": 1.0}, {"listmle": 1.0}, {"margin": 0.5, "mse": 1.0, "huber": 2.0}]
)
def test_a_batch_in_pieces_has_the_gradient_of_the_whole(
    table_path: Path, tiny_backbone: str, losses: dict[str, float]
) -> None:
    gradients, values = [], []
    for micro in (100_000, 150):
        module = module_of(table_path, losses, tiny_backbone, micro_residues=micro)
        values.append(module._backward(list(range(9))))
        gradients.append({name: parameter.grad for name, parameter in module.named_parameters()})
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    for name, gradient in gradients[0].items():
        assert gradient is not None, name
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("losses", [{"gaussian": 1}, {"listmle": 1}, {"huber": 1, "margin": 0.5}])
def test_every_loss_learns_and_predicts_pkd(
    tmp_path: Path, table_path: Path, table: pd.DataFrame, losses: dict[str, float]
) -> None:
    settings = TrainSettings(
        head="ec",
        mixer="none",
        pooling="mean",
        losses=losses,
        max_epochs=40,
        patience=40,
        learning_rate=0.03,
    )
    model = ppi.train(table_path, output=tmp_path / "m", settings=settings)
    assert model.manifest["validation"]["spearman"] > 0.7
    # Scores that were only ranked have the scale of the labels all the same.
    labels = table.pkd[table.split == "validation"]
    assert model.manifest["validation"]["rmse"] < 1.5 * labels.std()
    predicted = predict_members(model.model, read_complexes(table_path).complexes)
    assert np.isfinite(predicted.noise).all() == ("gaussian" in losses)
    assert np.isfinite(predicted.spread).all() == ("gaussian" in losses)


def test_ranked_scores_get_the_line_of_the_labels(random: np.random.Generator) -> None:
    model = AffinityModel(ModelConfig(head="hp", mixer="none", members=2, label_mean=7.0, label_std=2.0))
    complexes = [ppi.Complex(f"c{i}", ("ACDEFGHIKL"[: 3 + i],), ("MNPQRSTVWY",)) for i in range(6)]
    before = predict_members(model, complexes).pkd
    labels = 3 * before[0] - 1
    slopes = [np.polyfit(scores, labels, 1) for scores in before]
    if slopes[1][0] <= 0:
        before = before[:1]
    scale_to_labels(model, before, labels)
    assert predict_members(model, complexes).pkd[0] == pytest.approx(labels, abs=1e-3)
    with pytest.raises(TrainingError, match="does not rank its own training complexes"):
        scale_to_labels(model, before, -labels)


@pytest.mark.parametrize(
    ("method", "precision"),
    [
        ("full", "auto"),
        ("full", "float32"),
        ("lora", "bfloat16"),
        ("last-layers", "auto"),
        ("attention-heads", "bfloat16"),
        ("head-mix", "auto"),
        ("head-mix", "bfloat16"),
    ],
)
def test_tuned_model_is_saved_and_predicts_the_same(
    tmp_path: Path, table_path: Path, tiny_backbone: str, method: str, precision: str
) -> None:
    tuning = {"method": method, "learning_rate": 1e-2}
    if method == "attention-heads":
        tuning["attention_heads"] = ("1:0",)
    settings = TrainSettings(
        backbone=tiny_backbone,
        precision=precision,
        tuning=tuning,
        **SMALL,
        micro_residues=200,
        max_epochs=2,
    )
    trained = ppi.train(table_path, output=tmp_path / "m", settings=settings)
    complexes = read_complexes(table_path).complexes
    first = predict_members(trained.model, complexes).pkd
    assert np.array_equal(first, predict_members(load_model(tmp_path / "m").model, complexes).pkd)
    assert " tuned " in trained.model.backbone.identity
    # What the backbone makes has changed.
    plain = AffinityModel(ModelConfig(backbone=tiny_backbone, precision=precision, head="hp", mixer="none"))
    plain.heads.load_state_dict(trained.model.heads.state_dict())
    moved = predict_members(plain, complexes).pkd
    config = trained.model.config
    assert np.abs(first - (moved * config.label_std + config.label_mean)).max() > 1e-4


@pytest.mark.parametrize("method", ["lora", pytest.param("head-mix", marks=pytest.mark.slow)])
def test_tuned_runs_resume_too(
    tmp_path: Path, table_path: Path, tiny_backbone: str, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = TrainSettings(backbone=tiny_backbone, tuning={"method": method}, **SMALL, max_epochs=3)
    ppi.train(table_path, output=tmp_path / "whole", settings=settings)
    with monkeypatch.context() as patch:
        kill_at(patch, 15)
        with pytest.raises(KilledError):
            ppi.train(table_path, output=tmp_path / "again", settings=settings)
    ppi.train(table_path, output=tmp_path / "again", settings=settings, resume=True)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "again")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_two_processes_train_one_model(tmp_path: Path, table_path: Path, tiny_backbone: str) -> None:
    # In pieces: the processes have different numbers of them.
    flags = [
        "--recipe",
        "network",
        "--data",
        str(table_path),
        "--head",
        "hp",
        "--mixer",
        "none",
        "--max-epochs",
        "2",
    ]
    flags += ["--backbone", tiny_backbone, "--tuning.method", "full", "--batch-residues", "600"]
    flags += ["--micro-residues", "150", "--losses.mse", "1", "--precision", "float32"]
    flags += ["--device", "cpu", "--devices", "2"]
    logs = []
    for strategy in ("ddp", "fsdp"):
        model = tmp_path / strategy
        command = [sys.executable, "-m", "ppi", "train", *flags, "--output", str(model)]
        command += ["--strategy", strategy]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("member 1 of 1") == 1
        assert done.stderr.count("model written to") == 1
        assert load_model(model).manifest["members"][0]["epochs"] == 2
        logs.append(pd.read_csv(model / "training.csv").drop(columns="seconds"))
    pd.testing.assert_frame_equal(*logs, rtol=1e-4)


@pytest.fixture
def lonely_process(tmp_path: Path) -> Iterator[DeviceMesh]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/it", rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("method", ["full", "head-mix"])
def test_a_model_in_pieces_computes_the_same(
    lonely_process: DeviceMesh,
    tiny_backbone: str,
    random: np.random.Generator,
    method: str,
    checkpointing: bool,
) -> None:
    config = ModelConfig(
        backbone=tiny_backbone, precision="float32", head="ec", mixer="convbert", tuning={"method": method}
    )
    model = AffinityModel(config).eval().requires_grad_(True)
    backbone, head = model.backbone, model.heads[0]
    assert isinstance(backbone, PackedEncoder)
    backbone.gradient_checkpointing = checkpointing
    encoded = [split_into_units(random_complex(random, "one"), "side") for _ in range(2)]

    def gradients() -> dict[str, torch.Tensor]:
        model.zero_grad()
        head.all_outputs(LiveUnits(backbone).gather(encoded)).sum().backward()
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}

    want = gradients()
    shard(backbone, head, lonely_process)
    assert all(isinstance(parameter, DTensor) for parameter in model.parameters())
    got = gradients()
    assert got.keys() == want.keys()
    for name, gradient in want.items():
        torch.testing.assert_close(full_tensor(got[name]), gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_a_frozen_backbone_is_not_shared_out(tmp_path: Path, table_path: Path) -> None:
    with pytest.raises(SettingsError, match="this one is frozen"):
        ppi.train(table_path, output=tmp_path / "m", strategy="fsdp", device="cpu", devices=2)


def test_a_gradient_that_is_not_finite_stops_the_run(
    tmp_path: Path, table_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(self: AffinityModule) -> list[torch.nn.Parameter]:
        parameters = list(self.head.parameters())
        parameters[0].grad = torch.full_like(parameters[0], torch.inf)
        return parameters

    monkeypatch.setattr(AffinityModule, "_trained_parameters", poisoned)
    with pytest.raises(TrainingError, match="a gradient is not finite in batch 1 of epoch 1"):
        ppi.train(table_path, output=tmp_path / "m", settings=TrainSettings(**SMALL, max_epochs=3))


def test_a_model_that_was_written_meanwhile_stays(
    tmp_path: Path, table_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def finished_by_another(self: Workspace) -> Workspace:
        (tmp_path / "m").mkdir()
        (tmp_path / "m" / "config.json").write_text("{}")
        return enter(self)

    enter = Workspace.__enter__
    monkeypatch.setattr(Workspace, "__enter__", finished_by_another)
    with pytest.raises(TrainingError, match="the folder is not empty"):
        ppi.train(table_path, output=tmp_path / "m", settings=TrainSettings(**SMALL))
    assert (tmp_path / "m" / "config.json").read_text() == "{}"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("tuning", [{"method": "frozen"}, {"method": "lora"}])
def test_backbone_and_heads_are_made_once(
    tmp_path: Path,
    table_path: Path,
    tiny_backbone: str,
    tuning: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[str] = []

    def counted(what: str, make: Any) -> Any:
        def count(*given: Any, **options: Any) -> Any:
            made.append(what)
            return make(*given, **options)

        return count

    monkeypatch.setattr(affinity, "build_backbone", counted("backbone", build_backbone))
    monkeypatch.setattr(ModelConfig, "build_head", counted("head", ModelConfig.build_head))
    members = 1 if tuning["method"] == "lora" else 2
    settings = TrainSettings(backbone=tiny_backbone, tuning=tuning, members=members, **SMALL, max_epochs=1)
    trained = ppi.train(table_path, output=tmp_path / "m", settings=settings)
    assert sorted(made) == ["backbone", *["head"] * members]
    loaded = load_model(tmp_path / "m")
    assert (trained.name, trained.calibration, trained.training_chains, trained.manifest) == (
        loaded.name,
        loaded.calibration,
        loaded.training_chains,
        loaded.manifest,
    )
    assert trained.model.config == loaded.model.config
    assert trained.model.backbone.identity == loaded.model.backbone.identity
    kept = dict(trained.model.named_parameters())
    for name, parameter in loaded.model.named_parameters():
        assert torch.equal(kept[name], parameter), name


def test_progress_is_logged(
    tmp_path: Path, table_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    caplog.set_level(logging.INFO, logger="ppi")
    ppi.train(table_path, output=tmp_path / "m", settings=TrainSettings(**SMALL, max_epochs=2), resume=True)
    assert f"there is no unfinished run at {tmp_path / 'm'}.unfinished; starting a new one" in caplog.messages
    lines = [line for line in caplog.messages if line.startswith("seed 0: epoch ")]
    assert lines[0].startswith("seed 0: epoch 1 of at most 2, batch 1 of ")
    assert lines[0].endswith("last validation Spearman not known yet")
    assert lines[-1].startswith("seed 0: epoch 2 of at most 2")
    assert "member 1 of 1 (seed 0): validation Spearman " in caplog.text


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path, table_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(TrainingError, match="the folder is not empty"):
        ppi.train(table_path, output=tmp_path)


@pytest.mark.parametrize(
    ("hardware", "message"),
    [
        ({"device": "cuda:1", "devices": 2}, "is a single device, but --devices is 2"),
        ({"devices": 0}, "at least one of each"),
    ],
)
def test_unfit_hardware(hardware: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Hardware(**hardware)


def test_tensorboard_files_are_written_on_request(tmp_path: Path, table_path: Path) -> None:
    pytest.importorskip("tensorboard")
    settings = TrainSettings(**SMALL, max_epochs=1)
    ppi.train(table_path, output=tmp_path / "m", settings=settings, tensorboard=tmp_path / "board")
    assert list((tmp_path / "board").rglob("events.out.tfevents.*"))


def test_descriptors_cannot_be_tuned(tmp_path: Path, table_path: Path) -> None:
    with pytest.raises(SettingsError, match="residue"):
        ppi.train(table_path, output=tmp_path / "m", settings=TrainSettings(tuning={"method": "full"}))


def test_two_validation_rows_are_refused_before_training(tmp_path: Path, table: pd.DataFrame) -> None:
    few = table[(table.split != "validation") | (table.index < 8)]
    few.to_csv(tmp_path / "few.csv", index=False)
    with pytest.raises(InputError, match="2 "):
        ppi.train(tmp_path / "few.csv", output=tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["few.csv"]


def test_schedules() -> None:
    cosine = [rate_factor(step, 10, 100, "cosine") for step in range(101)]
    assert cosine[0] == pytest.approx(0.1)
    assert max(cosine) == cosine[9] == cosine[10] == 1.0
    assert cosine[10:] == sorted(cosine[10:], reverse=True)
    assert cosine[100] == pytest.approx(0.0)
    constant = [rate_factor(step, 10, 100, "constant") for step in range(101)]
    assert constant[:10] == cosine[:10]
    assert set(constant[10:]) == {1.0}
