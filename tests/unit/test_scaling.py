"""Columns of embeddings on one scale, and the learning rates of the layers that read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import batch_of, random_complex

import ppi
from heads.build import build_head
from heads.scaling import ColumnScaling
from ppi.models.folder import load_model
from ppi.training.module import REFERENCE_INPUTS, head_groups
from ppi.training.recipes import recipe_settings


def test_columns_have_mean_0_and_variance_1() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(300, 4, generator=generator) * torch.tensor([1.0, 0.01, 50.0, 0.0]) + 271.0
    scaling = ColumnScaling(4)
    assert torch.equal(scaling(values), values)
    scaling.fit([values[:100], values[100:]])
    scaled = scaling(values)
    assert torch.allclose(scaled.mean(0), torch.zeros(4), atol=2e-3)
    assert torch.allclose(scaled.std(0), torch.tensor([1.0, 1.0, 1.0, 0.0]), atol=1e-2)
    assert scaling(values.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["ec", "sc", "hp", "pad"])
def test_a_head_reads_scaled_embeddings(name: str) -> None:
    complexes = [random_complex(np.random.default_rng(seed), f"c{seed}") for seed in range(3)]
    made = []
    for standardised in (False, True):
        torch.manual_seed(0)
        made.append(build_head(name, 48, mixer="none", standardised=standardised).eval())
    plain, scaled = made
    from ppi.backbones.registry import build_backbone

    batch = batch_of(build_backbone("residue"), complexes, plain.encoding_unit, plain.both_orders)
    assert torch.equal(plain(batch), scaled(batch))
    assert scaled.scaling is not None
    scaled.scaling.fit([batch.values])
    by_hand = (batch.values - batch.values.mean(0)) / batch.values.std(0, correction=0).clamp(min=1e-6)
    varies = batch.values.std(0) > 1e-6
    by_hand[:, ~varies] = 0
    assert torch.allclose(scaled(batch), plain(batch.with_values(by_hand)), atol=1e-4)


def test_layers_with_many_inputs_have_lower_rates_in_a_standardised_head() -> None:
    plain = build_head("hp", 512, mixer="none", pooling="mean")
    (group,) = head_groups(plain, 1e-3)
    assert group["lr"] == 1e-3
    groups = head_groups(build_head("hp", 512, mixer="none", pooling="mean", standardised=True), 1e-3)
    assert [group["lr"] for group in groups] == [1e-3, 1e-3 * REFERENCE_INPUTS / 1024]
    assert sum(len(group["params"]) for group in groups) == len(list(plain.parameters()))


@pytest.mark.parametrize(("layers", "standardised"), [((1, -1), True), ((-1,), False)])
def test_training_scales_where_the_network_reads_hidden_layers(
    layers: tuple[int, ...], standardised: bool, table_path: Path, tiny_backbone: str, tmp_path: Path
) -> None:
    changes = {"backbone": tiny_backbone, "layers": layers, "pooling": "statistics"}
    settings = recipe_settings("network", head="hp", mixer="none", members=2, max_epochs=1, **changes)
    trained = ppi.train(table_path, output=tmp_path / "m", settings=settings, store=tmp_path / "store")
    loaded = load_model(tmp_path / "m")
    assert loaded.model.config.standardised == standardised
    first, second = (head.scaling for head in loaded.model.heads)
    assert (first is not None) == standardised
    if standardised:
        assert first.deviation.ne(1).all()
        assert torch.equal(first.mean, second.mean)
    predicted = (ppi.predict(table_path, model=model)["pkd"] for model in (trained, tmp_path / "m"))
    assert len({tuple(each) for each in predicted}) == 1
