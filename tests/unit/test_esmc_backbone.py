"""ESM C against the `transformers` library."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import EsmcConfig, EsmcForMaskedLM, EsmcModel, EsmcTokenizer

from ppi.backbones.checkpoints import CHECKPOINTS, Checkpoint
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.esmc import esmc_config
from ppi.backbones.registry import build_backbone
from ppi.complexes import AMINO_ACIDS
from ppi.errors import BackboneError

UNITS = [("MKTAYIAKQR",), (AMINO_ACIDS, "MKX", "W"), ("GG", "PLVNQ"), ("MKTAYIAKQW",), ("C",)]
LAYERS = (0, 1, -1)


def load(folder: Path | str, precision: str = "float32", layers: tuple[int, ...] = LAYERS) -> PackedEncoder:
    backbone = build_backbone(str(folder), layers=layers, precision=precision)
    assert isinstance(backbone, PackedEncoder)
    return backbone


@pytest.fixture(scope="module")
def tiny_random_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with a head, as published, and weights large enough for every part to matter."""
    torch.manual_seed(0)
    config = EsmcConfig(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
    )
    model = EsmcForMaskedLM(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.1)
    folder = tmp_path_factory.mktemp("esmc") / "tiny_random"
    model.save_pretrained(folder)
    return folder


@torch.no_grad()
def test_agrees_with_the_library(tiny_random_folder: Path) -> None:
    model, tokenizer = EsmcModel.from_pretrained(tiny_random_folder).eval(), EsmcTokenizer()
    ours = load(tiny_random_folder).embed(UNITS).split([len("".join(unit)) for unit in UNITS])
    for unit, embedded in zip(UNITS, ours, strict=True):
        tokens = tokenizer("|".join(unit), return_tensors="pt")
        states = model(**tokens, output_hidden_states=True).hidden_states
        special = torch.tensor(tokenizer.convert_tokens_to_ids(["<cls>", "<eos>", "|"]))
        rows = ~torch.isin(tokens["input_ids"][0], special)
        theirs = torch.cat([states[layer][0, rows] for layer in LAYERS], dim=1)
        assert embedded.shape == theirs.shape
        assert (embedded - theirs).abs().max() < 1e-4


@torch.no_grad()
def test_does_not_depend_on_the_batch(tiny_random_folder: Path) -> None:
    backbone = load(tiny_random_folder)
    alone = [backbone.embed([unit]) for unit in UNITS]
    for order in ([0, 1, 2, 3, 4], [4, 2, 0, 3, 1]):
        together = backbone.embed([UNITS[index] for index in order])
        assert (together - torch.cat([alone[index] for index in order])).abs().max() < 1e-5


def test_tokens_are_the_published_ones(tiny_random_folder: Path) -> None:
    tokenizer, vocabulary = EsmcTokenizer(), load(tiny_random_folder).vocabulary
    for unit in UNITS:
        assert vocabulary.encode([unit]).ids.tolist() == tokenizer("|".join(unit))["input_ids"]
    assert vocabulary.encode([("BOUZ",)]).ids.tolist() == tokenizer("XXXX")["input_ids"]


def test_a_chain_sees_the_others_of_its_unit(tiny_random_folder: Path) -> None:
    backbone = load(tiny_random_folder, layers=(-1,))
    one, other = (backbone.embed([("MKTAY", partner)])[:5] for partner in ("GGG", "WWW"))
    assert (one - other).abs().max() > 1e-3


def test_gradients_reach_every_weight(tiny_random_folder: Path) -> None:
    backbone = load(tiny_random_folder, layers=(-1,))
    embedded = backbone.embed(UNITS)
    (embedded * torch.randn_like(embedded)).sum().backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name


@torch.no_grad()
def test_bfloat16_is_close(tiny_random_folder: Path) -> None:
    exact, rounded = (load(tiny_random_folder, kind).embed(UNITS) for kind in ("float32", "bfloat16"))
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - exact).norm() / exact.norm() < 0.02


def test_identity_is_that_of_the_weights(tiny_random_folder: Path) -> None:
    backbone = load(tiny_random_folder)
    assert backbone.identity == load(tiny_random_folder).identity
    assert backbone.identity.startswith("esmc ")
    assert backbone.spec == str(tiny_random_folder)
    assert backbone.dim == 3 * 64


def test_weights_of_another_layout_are_refused(tiny_random_folder: Path, tmp_path: Path) -> None:
    EsmcConfig.from_pretrained(tiny_random_folder).save_pretrained(tmp_path)
    state = load_file(tiny_random_folder / "model.safetensors")
    renamed = {name.replace("self_attn", "attn"): tensor for name, tensor in state.items()}
    save_file(renamed, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        BackboneError, match=r"lacks 18 of its tensors \(layers\.0\.self_attn\.k_norm\.weight"
    ):
        load(tmp_path)


@pytest.mark.parametrize("name", ["esmc-300m", "esmc-600m"])
def test_published_sizes(name: str) -> None:
    checkpoint = CHECKPOINTS[name]
    with torch.device("meta"):
        model = EsmcModel(esmc_config(checkpoint))
    assert round(sum(parameter.numel() for parameter in model.parameters()) / 1e6) == checkpoint.millions


def test_random_weights_follow_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"intermediate_size": 96}
    tiny = Checkpoint("esmc", "nobody/tiny", 0, 64, 2, 4, "MIT", 2046, architecture=sizes)
    monkeypatch.setitem(CHECKPOINTS, "tiny", tiny)
    first, again, other = (load(f"random-tiny-seed{seed}").embed(UNITS) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
