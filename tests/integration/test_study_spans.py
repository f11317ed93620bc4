"""Windows planned for the heads of a trained attention mixer."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import random_complex

from ppi.cli import main
from ppi.complexes import Complex
from ppi.errors import InputError
from ppi.prediction.predictor import Predictor
from ppi.study.spans import EVERYTHING, SpansPlan, Window, choose_windows, plan_spans
from ppi.training.run import train
from ppi.training.settings import TrainSettings, settings_from_yaml

HEADS = 2


def settings(**options: object) -> TrainSettings:
    return TrainSettings(
        head="hp", mixer="attention", mixer_options={"heads": HEADS, **options}, max_epochs=1
    )


@pytest.fixture(scope="module")
def model(table_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("spans") / "model"
    train(table_path, output=path, settings=settings(depth=2))
    return path


@pytest.fixture(scope="module")
def complexes() -> list[Complex]:
    random = np.random.default_rng(0)
    return [random_complex(random, f"c{i}") for i in range(6)]


@pytest.fixture(scope="module")
def plan(model: Path, complexes: list[Complex]) -> SpansPlan:
    with Predictor(model, device="cpu", novelty=False) as predictor:
        return plan_spans(predictor, complexes, tolerance=0.05)


def test_the_cheapest_windows_within_the_budget_are_chosen() -> None:
    random = np.random.default_rng(3)
    rows = [
        (head, start, 0.0, float(density), float(change))
        for head in range(3)
        for start, density, change in zip((8, 32, 64), (0.1, 0.3, 0.6), random.uniform(-1, 4, 3), strict=True)
    ]
    profile = pd.DataFrame(rows, columns=["head", "start", "growth", "density", "loss_change"])
    by_window = {
        head: {EVERYTHING: (1.0, 0.0)}
        | {
            Window(start, growth): (density, max(0.0, change))
            for number, start, growth, density, change in rows
            if number == head
        }
        for head in range(3)
    }

    def cost(windows: tuple[Window, ...]) -> tuple[float, float]:
        pairs = [by_window[head][window] for head, window in enumerate(windows)]
        density, change = (sum(column) for column in zip(*pairs, strict=True))
        return density, change

    previous = np.inf
    for budget in (0.0, 1.0, 3.0, 12.0):
        density, change = cost(choose_windows(profile, 3, budget))
        assert change <= budget
        assert density <= previous
        # Nothing within what is spent saves more.
        every = map(cost, itertools.product(*(by_window[head] for head in range(3))))
        assert density == pytest.approx(min(kept for kept, spent in every if spent <= change + 1e-9))
        previous = density
    assert previous == pytest.approx(0.3)


def test_a_profile_has_the_loss_of_each_window(
    plan: SpansPlan, model: Path, complexes: list[Complex], table_path: Path, tmp_path: Path
) -> None:
    assert len(plan.profile) == HEADS * 9
    widest = plan.profile.sort_values("density").groupby("head").last()
    assert (widest["loss_change"].abs() < plan.profile["loss_change"].abs().max()).all()
    # The full attention is restored, and a model with the plan and these weights has the planned loss.
    measured = np.array([item.pkd for item in complexes])
    with Predictor(model, device="cpu", novelty=False) as predictor:
        before = predictor.predict(complexes)["pkd"]
        plan_spans(predictor, complexes)
        assert predictor.predict(complexes)["pkd"].tolist() == before.tolist()
        assert plan.loss == pytest.approx(float(np.mean((before - measured) ** 2)), rel=1e-5)
        starts, growths = zip(*plan.windows, strict=True)
        trained = predictor.model
        other = trained.config.model_copy(update={"mixer_options": plan.mixer_options}).build_head(
            trained.backbone.dim
        )
        other.load_state_dict(trained.heads[0].state_dict())
        trained.heads[0] = other.eval()
        again = predictor.predict(complexes)["pkd"]
        assert plan.planned_loss == pytest.approx(float(np.mean((again - measured) ** 2)), rel=1e-5)
    assert plan.mixer_options["attention_options"] == {"starts": list(starts), "growths": list(growths)}


def test_the_share_of_pairs_is_counted(plan: SpansPlan, complexes: list[Complex]) -> None:
    row = plan.profile[(plan.profile["start"] == 8) & (plan.profile["growth"] == 1 / 16)].iloc[0]
    kept = total = 0
    for item in complexes:
        for chain in item.chains:
            n = len(chain)
            near = abs(np.subtract.outer(range(n), range(n))) <= 8 + int(n / 16)
            kept, total = kept + near.sum(), total + n * n
    assert row["density"] == pytest.approx(kept / total)


def test_the_command_writes_settings_for_training(
    model: Path, table_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, profile = tmp_path / "plan.yaml", tmp_path / "profile.csv"
    command = ["study", "spans", str(table_path), "--rows", "5", "--model", str(model), "--device", "cpu"]
    main([*command, "--output", str(output), "--profile", str(profile)])
    printed = capsys.readouterr().out
    assert "head 1: " in printed
    assert "pairs of residues that are kept: " in printed
    assert len(pd.read_csv(profile)) == HEADS * 9
    found = settings_from_yaml(output)
    assert found.model.mixer_options["attention"] == "spans"
    assert found.model.mixer_options["depth"] == 2
    assert set(yaml.safe_load(output.read_text())) == {"mixer", "mixer_options"}


def test_what_cannot_be_planned_is_refused(
    model: Path, model_path: Path, table_path: Path, complexes: list[Complex], tmp_path: Path
) -> None:
    unknown = [*complexes, Complex("new", ("ACDE",), ("FGHI",))]
    with Predictor(model, device="cpu", novelty=False) as predictor:
        with pytest.raises(InputError, match=r"complex 'new' has no pKd \(1 of 7\)"):
            plan_spans(predictor, unknown)
        with pytest.raises(InputError, match="tolerance is 0; give a share of the loss above 0"):
            plan_spans(predictor, complexes, tolerance=0)
    with (
        Predictor(model_path, device="cpu", novelty=False) as predictor,
        pytest.raises(InputError, match="the model's mixer is 'none', which has no attention"),
    ):
        plan_spans(predictor, complexes)
    train(table_path, output=tmp_path / "relu", settings=settings(attention="relu"))
    with (
        Predictor(tmp_path / "relu", device="cpu", novelty=False) as predictor,
        pytest.raises(
            InputError, match="the mixer of the model has the attention 'relu'; windows are planned"
        ),
    ):
        plan_spans(predictor, complexes)
