"""Head-mix: the means of the heads, the mix against its formula, what is saved, and backbones without it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from tiny_models import tiny_random_esm2
from torch import Tensor, nn

import ppi
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.esm2 import Esm2Backbone
from ppi.backbones.loading import Source
from ppi.errors import SettingsError
from ppi.models.config import ModelConfig
from ppi.models.folder import load_model
from ppi.models.head_mix import HeadMix, add_head_mixes, measure_means
from ppi.models.tuning import parameter_groups, prepare_tuning, tuned_names
from ppi.models.tuning_settings import TuningSettings
from ppi.training import run
from ppi.training.sampling import drawn_rows
from ppi.training.settings import TrainSettings

UNITS = [("MKTAYIAKQR",), ("ACDEFGHIKLMNPQRSTVWY", "MKX", "W"), ("GG", "PLVNQ"), ("C",)]
DEPTH, HEADS, WIDTH = 3, 4, 8


def encoder(*layers: int) -> Esm2Backbone:
    sizes = {"num_hidden_layers": DEPTH, "num_attention_heads": HEADS, "initializer_range": 0.3}
    source = Source("tiny", None, None, None, 0, layers or (-1,), torch.float32)
    return Esm2Backbone(tiny_random_esm2(**sizes), source, "tiny", "tiny").eval()


def mixes(backbone: nn.Module) -> list[HeadMix]:
    return [part for part in backbone.modules() if isinstance(part, HeadMix)]


def projection(backbone: PackedEncoder, layer: int) -> nn.Linear:
    return cast(nn.Linear, backbone.blocks[layer].get_submodule(backbone.projection_out))


def attended(backbone: PackedEncoder) -> list[Tensor]:
    """The outputs of the heads of each layer, ``(N, H * E)``, for all tokens of the units one by one."""
    seen: list[list[Tensor]] = [[] for _ in range(DEPTH)]
    hooks = [
        projection(backbone, layer).register_forward_pre_hook(
            lambda _, inputs, found=found: found.append(inputs[0].detach())
        )
        for layer, found in enumerate(seen)
    ]
    for unit in UNITS:
        backbone.embed([unit])
    for hook in hooks:
        hook.remove()
    return [torch.cat(each) for each in seen]


def test_one_number_for_each_head() -> None:
    backbone = encoder()
    prepare_tuning(backbone, TuningSettings(method="head-mix"))
    trained = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    assert [tuple(parameter.shape) for parameter in trained] == [(HEADS,)] * DEPTH
    (group,) = parameter_groups(backbone, TuningSettings(method="head-mix"), 0.1)
    assert (group["lr"], group["weight_decay"]) == (0.01, 0.0)  # They are not drawn to the checkpoint.
    inner = encoder(1)
    prepare_tuning(inner, TuningSettings(method="head-mix"))
    assert len(mixes(inner)) == 1


def test_the_means_are_those_of_all_tokens() -> None:
    expected = [each.double().mean(0) for each in attended(encoder())]
    backbone = encoder()
    add_head_mixes(backbone)
    before = backbone.embed(UNITS)
    measure_means(backbone, UNITS, torch.float32)
    for mix, mean in zip(mixes(backbone), expected, strict=True):
        torch.testing.assert_close(mix.mean.flatten().double(), mean, atol=1e-5, rtol=1e-5)
        assert mix.mean.any()
        assert not mix.mean.requires_grad
    assert torch.equal(backbone.embed(UNITS), before)
    assert not any(mix._forward_pre_hooks for mix in mixes(backbone))


def test_the_mix_is_its_formula() -> None:
    torch.manual_seed(0)
    mix = HeadMix(3, 4).double()
    mix.mean.copy_(torch.randn(3, 4))
    with torch.no_grad():
        mix.amount.copy_(torch.tensor([0.0, 0.3, -1.5]))
    given = torch.randn(7, 12, dtype=torch.float64)
    found = mix(given)
    for head, amount in enumerate((0.0, 0.3, -1.5)):
        own = slice(4 * head, 4 * head + 4)
        torch.testing.assert_close(found[:, own], (1 - amount) * given[:, own] + amount * mix.mean[head])


def test_an_amount_of_one_replaces_a_head_by_its_mean() -> None:
    backbone, other = encoder(), encoder()
    add_head_mixes(backbone)
    measure_means(backbone, UNITS, torch.float32)
    head = slice(2 * WIDTH, 3 * WIDTH)
    with torch.no_grad():
        mixes(backbone)[1].amount[2] = 1.0
        plain = projection(other, 1)
        plain.bias += plain.weight[:, head] @ mixes(backbone)[1].mean[2]
        plain.weight[:, head] = 0
    torch.testing.assert_close(backbone.embed(UNITS), other.embed(UNITS), atol=1e-5, rtol=1e-5)
    assert (backbone.embed(UNITS) - encoder().embed(UNITS)).abs().max() > 1e-2


def test_a_backbone_that_names_no_projection_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Esm2Backbone, "projection_out")
    with pytest.raises(SettingsError, match="tiny does not name; choose another method, such as last-layers"):
        prepare_tuning(encoder(), TuningSettings(method="head-mix"))


def test_its_learning_rate_is_larger_unless_it_is_given() -> None:
    assert TuningSettings(method="head-mix").learning_rate == 0.01
    assert TuningSettings(method="head-mix", learning_rate=0.2).learning_rate == 0.2
    assert TuningSettings(method="lora").learning_rate == 5e-5
    assert ModelConfig(tuning={"method": "head-mix"}).tuning.learning_rate == 0.01


def test_rows_are_drawn_until_they_have_the_residues() -> None:
    lengths = [5, 1, 30, 7, 2, 11]
    drawn = drawn_rows(lengths, 20, seed=0)
    assert drawn == drawn_rows(lengths, 20, seed=0) != drawn_rows(lengths, 20, seed=1)
    residues = [lengths[row] for row in drawn]
    assert sum(residues[:-1]) < 20 <= sum(residues)
    assert sorted(drawn_rows(lengths, 1000, seed=0)) == list(range(6))
    assert len(drawn_rows(lengths, 1, seed=0)) == 1


def test_the_means_of_training_complexes_are_in_the_model_folder(
    table_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, ...]] = []

    def measure(encoder: PackedEncoder, units: list[tuple[str, ...]], dtype: torch.dtype) -> None:
        seen.extend(units)
        measure_means(encoder, units, dtype)

    monkeypatch.setattr(run, "measure_means", measure)
    tiny = tmp_path / "tiny"
    tiny_random_esm2(initializer_range=0.3).save_pretrained(tiny)
    settings = TrainSettings(
        backbone=str(tiny), tuning={"method": "head-mix"}, head="hp", mixer="none", max_epochs=2
    )
    table = ppi.io.tables.read_complexes(table_path)
    trained = ppi.train(
        table_path, output=tmp_path / "m", settings=settings, validation_identity=np.zeros(12)
    )
    training = {
        (chain,) for number in range(48) if number % 4 < 2 for chain in table.complexes[number].chains
    }
    assert len(seen) == len(set(seen))
    assert set(seen) == training
    loaded = load_model(tmp_path / "m").model
    names = tuned_names(loaded.backbone)
    assert sum(name.endswith(".mean") for name in names) == sum(name.endswith(".amount") for name in names)
    for mix, other in zip(mixes(trained.model), mixes(loaded), strict=True):
        assert mix.mean.any()
        assert mix.amount.any()
        assert torch.equal(mix.mean, other.mean)
        assert torch.equal(mix.amount, other.amount)
