"""A mixer and an attention of another package: chosen by name, trained, saved and loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import ppi
from heads.build import build_head
from heads.mixers.attention.base import Attention
from heads.mixers.base import Mixer
from heads.names import ATTENTIONS, MIXERS, register_attention, register_mixer
from heads.options import AtLeastOne
from heads.ragged import Segments
from ppi.errors import ModelError, SettingsError
from ppi.io.tables import read_complexes
from ppi.models.folder import TrainedModel, load_model
from ppi.prediction.engine import predict_members
from ppi.training.settings import TrainSettings, checked_settings


class ToyMixer(Mixer):
    """Adds a learnt row; a number that only the auxiliary loss sees is drawn to a goal."""

    order_sensitive = False

    def __init__(self, dim: int, goal: float = 1.0) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(dim))
        self.drawn = nn.Parameter(torch.zeros(()))
        self.goal = goal

    def forward(self, values: Tensor, segments: Segments) -> Tensor:
        return values + self.shift

    def auxiliary_loss(self) -> Tensor:
        return (self.drawn - self.goal) ** 2


class ToyAttention(Attention):
    """The mean of a segment's values, as often as asked; pays for a large gain."""

    order_sensitive = False

    def __init__(self, heads: int, width: int, rounds: AtLeastOne = 1) -> None:
        super().__init__(heads, width)
        self.rounds = rounds
        self.gain = nn.Parameter(torch.ones(heads, 1))

    def forward(self, query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
        for _ in range(self.rounds):
            parts = value.split(segments.lengths)
            value = torch.cat([part.mean(0, keepdim=True).expand_as(part) for part in parts])
        return value * self.gain

    def auxiliary_loss(self) -> Tensor:
        return self.gain.square().mean()


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """List the parts for one test; afterwards the tables are as they were."""
    for table in (MIXERS, ATTENTIONS):
        monkeypatch.setattr(table, "_paths", dict(table._paths))
        monkeypatch.setattr(table, "_registered", dict(table._registered))
    register_mixer("toy")(ToyMixer)
    register_attention("toy")(ToyAttention)


def trained_on(table_path: Path, output: Path, **settings: Any) -> TrainedModel:
    """Train in pieces of a batch; no chain resembles one that was trained on."""
    chosen = TrainSettings(head="hp", max_epochs=2, micro_residues=400, batch_residues=1200, **settings)
    return ppi.train(table_path, output=output, settings=chosen, validation_identity=np.zeros(12))


@pytest.mark.parametrize(
    ("mixer", "options"),
    [
        ("toy", {"goal": -2.5}),
        ("attention", {"attention": "toy", "heads": 4, "attention_options": {"rounds": 2}}),
    ],
    ids=["mixer", "attention"],
)
def test_parts_of_another_package_are_trained_saved_and_loaded(
    mixer: str,
    options: dict[str, Any],
    tmp_path: Path,
    table_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained = trained_on(table_path, tmp_path / "m", mixer=mixer, mixer_options=options)
    complexes = read_complexes(table_path).complexes[:6]
    loaded = load_model(tmp_path / "m")
    assert loaded.model.config.mixer_options == options
    expected = predict_members(trained.model, complexes).pkd
    assert np.array_equal(predict_members(loaded.model, complexes).pkd, expected)
    monkeypatch.delitem((MIXERS if mixer == "toy" else ATTENTIONS)._paths, "toy")
    with pytest.raises(ModelError, match="config.json.*there is no (mixer|attention) 'toy'; choose one"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("losses", [{"mse": 1.0}, {"mse": 1.0, "listmle": 0.5}], ids=["pieces", "ranking"])
def test_the_auxiliary_loss_is_trained_on(losses: dict[str, float], tmp_path: Path, table_path: Path) -> None:
    trained = trained_on(table_path, tmp_path / "m", mixer="toy", mixer_options={"goal": -2.0}, losses=losses)
    assert trained.model.heads[0].mixer.drawn.item() < 0


def test_the_gain_of_an_attention_pays() -> None:
    mixer = MIXERS.find("attention")
    made = mixer(8, make_attention=ToyAttention, heads=2, depth=3)
    made(torch.randn(5, 8), Segments.from_lengths([2, 3]))
    assert made.auxiliary_loss().item() == pytest.approx(3)


def test_settings_name_what_is_listed() -> None:
    assert checked_settings({"mixer": "toy"}, "s.yaml").model.mixer == "toy"
    with pytest.raises(SettingsError, match="s.yaml: mixer: there is no mixer 'tooy'; choose one of"):
        checked_settings({"mixer": "tooy"}, "s.yaml")


def test_what_is_no_class_is_refused() -> None:
    with pytest.raises(TypeError, match=r"the mixer 'function' is <function .*; register a class"):
        register_mixer("function")(lambda dim: nn.Identity())  # type: ignore[type-var]


def test_what_is_no_mixer_is_refused() -> None:
    register_mixer("linear")(type("OneLinear", (nn.Linear,), {"__init__": lambda self, dim: None}))
    with pytest.raises(
        TypeError, match="mixer linear is a OneLinear; derive .* from heads.mixers.base.Mixer"
    ):
        build_head("hp", 48, "linear")
