"""ESM-2 over packed tokens: against padded batches of the library, and in every order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import random_chain
from tiny_models import tiny_random_esm2
from transformers import EsmModel

from ppi.backbones.base import Unit
from ppi.backbones.checkpoints import CHECKPOINTS
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.esm2 import esm2_config
from ppi.backbones.registry import build_backbone


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny_random ESM-2 in the published layout."""
    path = tmp_path_factory.mktemp("esm2") / "tiny_random_esm2"
    model = tiny_random_esm2(num_hidden_layers=3, num_attention_heads=4, initializer_range=0.3)
    model.save_pretrained(path)
    return path


@pytest.fixture
def units(random: np.random.Generator) -> list[Unit]:
    chains = [random_chain(random, int(length)) for length in random.integers(1, 90, size=8)]
    return [
        (chains[0],),
        tuple(chains[1:4]),
        (chains[4],),
        (chains[4],),
        (chains[5], chains[6]),
        (chains[7],),
    ]


def build(path: Path, **options: object) -> PackedEncoder:
    backbone = build_backbone(str(path), **{"precision": "float32", **options})
    assert isinstance(backbone, PackedEncoder)
    return backbone


@torch.inference_mode()
def test_packed_equals_padded(checkpoint: Path, units: list[Unit]) -> None:
    backbone = build(checkpoint, layers=(0, 2, -1))
    assert backbone.dim == 3 * 32
    tokens = backbone.vocabulary.encode(units)
    pieces = torch.from_numpy(tokens.ids).split(tokens.lengths)
    ids = torch.nn.utils.rnn.pad_sequence(pieces, batch_first=True, padding_value=1)
    model = EsmModel.from_pretrained(checkpoint, add_pooling_layer=False).eval()
    states = model(ids, attention_mask=(ids != 1).long(), output_hidden_states=True)
    # The library's last hidden state is normalised, the one before is not.
    chosen = [states.hidden_states[0], states.hidden_states[2], states.last_hidden_state]
    residue = torch.isin(ids, torch.tensor([0, 1, 2]), invert=True)
    expected = torch.cat([state[residue] for state in chosen], dim=1)
    assert torch.allclose(backbone.embed(units), expected, atol=1e-4)


@torch.inference_mode()
def test_a_unit_does_not_depend_on_the_others(checkpoint: Path, units: list[Unit]) -> None:
    backbone = build(checkpoint)
    alone = [backbone.embed([unit]) for unit in units]
    assert [len(rows) for rows in alone] == [sum(map(len, unit)) for unit in units]
    assert torch.allclose(backbone.embed(units), torch.cat(alone), atol=1e-5)
    assert torch.allclose(backbone.embed(units[::-1]), torch.cat(alone[::-1]), atol=1e-5)


def test_gradients_reach_every_weight(checkpoint: Path, units: list[Unit]) -> None:
    backbone = build(checkpoint)
    backbone.embed(units).square().sum().backward()
    assert [name for name, weight in backbone.named_parameters() if weight.grad is None] == []


@torch.inference_mode()
def test_bfloat16_is_close(checkpoint: Path, units: list[Unit]) -> None:
    exact, half = build(checkpoint).embed(units), build(checkpoint, precision="bfloat16").embed(units)
    assert half.dtype == torch.bfloat16
    assert (half.float() - exact).norm() < 0.02 * exact.norm()


@pytest.mark.parametrize(
    ("name", "millions"), [(name, c.millions) for name, c in CHECKPOINTS.items() if c.family == "esm2"]
)
def test_published_sizes(name: str, millions: int) -> None:
    checkpoint = CHECKPOINTS[name]
    with torch.device("meta"):
        model = EsmModel(esm2_config(checkpoint), add_pooling_layer=False)
    # The contact head, one number for each layer and head, is no part of the encoder.
    parameters = sum(p.numel() for n, p in model.named_parameters() if "contact_head" not in n)
    assert round(parameters / 1e6) == millions
