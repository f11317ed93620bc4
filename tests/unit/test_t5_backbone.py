"""ProtT5 and Ankh against the `transformers` library's own forward pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import T5Config, T5EncoderModel, T5ForConditionalGeneration

from ppi.backbones.base import Backbone, Unit
from ppi.backbones.checkpoints import CHECKPOINTS
from ppi.backbones.loading import Source
from ppi.backbones.registry import build_backbone
from ppi.backbones.t5 import T5Backbone, relative_buckets, t5_config
from ppi.errors import BackboneError
from ppi.explain.attention.backbone import observe_backbone

PUBLISHED = {residue: token for token, residue in enumerate("ALGVSREDTIPKFQNYMHWCXBOUZ", start=3)}
END = 1
UNITS: list[Unit] = [
    ("MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ",),
    ("ACDEFGHIKLMNPQRSTVWYX", "W", "GGSGGSGGSLLPVKAT"),
    ("MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVE",),
    ("G",),
    ("LLPVKATACDEWYHNQRSTM" * 8, "MKV"),
]
T5_CHECKPOINTS = ["prott5-xl-u50", "ankh-base", "ankh-large", "ankh2-ext1", "ankh2-ext2"]


def tiny_random_t5(folder: Path, projection: str = "gated-gelu", **settings: Any) -> T5EncoderModel:
    """Save a T5 encoder with random weights as published ones are, its norms and biases made to matter."""
    sizes = {"d_model": 24, "d_kv": 10, "num_heads": 3, "d_ff": 40, "num_layers": 3}
    buckets = {"relative_attention_num_buckets": 16, "relative_attention_max_distance": 40}
    common = {"vocab_size": 144, "feed_forward_proj": projection}
    config = T5Config(**(sizes | buckets | common | settings))
    torch.manual_seed(0)
    model = T5EncoderModel(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name or "relative" in name:
                parameter.add_(torch.randn_like(parameter) * (0.1 if "norm" in name else 1.0))
    model.save_pretrained(folder)
    return model


def plain_states(model: T5EncoderModel, unit: Unit) -> list[Tensor]:
    """Residue rows of all hidden states of the library's model on one unit, by a loop over its chains."""
    ids: list[int] = []
    rows: list[int] = []
    for chain in unit:
        rows += range(len(ids), len(ids) + len(chain))
        ids += [*(PUBLISHED[residue] for residue in chain), END]
    with torch.no_grad():
        output = model(torch.tensor([ids]), output_hidden_states=True)
    inner = output.hidden_states[: model.config.num_layers]
    return [state[0, rows] for state in (*inner, output.last_hidden_state)]


def alone(backbone: Backbone) -> list[Tensor]:
    return [backbone.embed([unit]) for unit in UNITS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_random_t5(tmp_path)
    return tmp_path


@pytest.mark.parametrize("projection", ["relu", "gated-gelu", "gated-silu"])
@torch.no_grad()
def test_equals_the_library(tmp_path: Path, projection: str) -> None:
    model = tiny_random_t5(tmp_path, projection)
    backbone = build_backbone(str(tmp_path), layers=(0, 1, -1), precision="float32")
    assert isinstance(backbone, T5Backbone)
    assert backbone.dim == 3 * 24
    expected = [plain_states(model, unit) for unit in UNITS]
    wanted = torch.cat([torch.cat([states[layer] for layer in (0, 1, -1)], dim=1) for states in expected])
    embedded = backbone.embed(UNITS)
    assert embedded.shape == wanted.shape
    assert (embedded - wanted).abs().max() < 1e-4


@torch.no_grad()
def test_a_checkpoint_with_a_decoder_gives_the_same(folder: Path, tmp_path: Path) -> None:
    expected = build_backbone(str(folder), precision="float32").embed(UNITS)
    whole = T5ForConditionalGeneration(T5Config.from_pretrained(folder, is_encoder_decoder=True))
    missing, _ = whole.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    assert not [name for name in missing if name.startswith("encoder.block")]
    whole.save_pretrained(tmp_path / "whole")
    embedded = build_backbone(str(tmp_path / "whole"), precision="float32").embed(UNITS)
    assert torch.equal(embedded, expected)


@torch.no_grad()
def test_a_unit_does_not_see_its_neighbours(folder: Path) -> None:
    backbone = build_backbone(str(folder), precision="float32")
    single = alone(backbone)
    for order in ([0, 1, 2, 3, 4], [4, 2, 0, 3, 1], [3, 4]):
        embedded = backbone.embed([UNITS[index] for index in order])
        assert (embedded - torch.cat([single[index] for index in order])).abs().max() < 1e-5


@torch.no_grad()
def test_special_tokens_are_stripped_exactly(folder: Path) -> None:
    backbone = build_backbone(str(folder), layers=(0,), precision="float32")
    assert isinstance(backbone, T5Backbone)
    table = backbone.model.encoder.embed_tokens.weight
    for unit in UNITS:
        residues = torch.tensor([PUBLISHED[residue] for residue in "".join(unit)])
        assert torch.equal(backbone.embed([unit]), table[residues])
    tokens = backbone.vocabulary.encode([("MK",), ("M", "K", "LW")])
    chains = [["M", "K", END], ["M", END, "K", END, "L", "W", END]]
    assert tokens.lengths == [3, 7]
    assert tokens.ids.tolist() == [PUBLISHED.get(token, token) for chain in chains for token in chain]
    assert tokens.residue.tolist() == [token != END for chain in chains for token in chain]


def test_published_vocabulary(folder: Path) -> None:
    backbone = build_backbone(str(folder), precision="float32")
    assert isinstance(backbone, T5Backbone)
    residues = "ACDEFGHIKLMNPQRSTVWYX"
    assert backbone.vocabulary.encode([(residues,)]).ids.tolist() == [*map(PUBLISHED.get, residues), END]
    assert backbone.vocabulary.encode([("BOUZ",)]).ids.tolist() == [PUBLISHED["X"]] * 4 + [END]


@pytest.mark.parametrize("mark", ["", "\u2581"])
def test_vocabulary_of_the_checkpoint_comes_first(folder: Path, mark: str) -> None:
    pieces = ["<pad>", "<unk>", "</s>", *(mark + residue for residue in reversed(PUBLISHED))]
    vocabulary: Any = [[piece, 0.0] for piece in pieces] if mark else {p: n for n, p in enumerate(pieces)}
    added = [] if mark else [{"id": 40, "content": "[NLU]"}]
    content = {"model": {"vocab": vocabulary}, "added_tokens": added}
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    backbone = build_backbone(str(folder), precision="float32")
    assert isinstance(backbone, T5Backbone)
    tokens = backbone.vocabulary.encode([("AL", "X")])
    start = [] if mark else [40]
    assert tokens.ids.tolist() == [*start, 27, 26, 2, 7, 2]
    assert backbone.embed([("AL", "X")]).shape == (3, 24)


def test_other_vocabulary_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    tiny_random_t5(tmp_path, vocab_size=256)
    with pytest.raises(BackboneError, match=r"256 tokens .* tokenizer\.json"):
        build_backbone(str(tmp_path), precision="float32")


@pytest.mark.parametrize(
    ("content", "message"),
    [('{"model": {"vocab": {"A": 3, "</s>": 1}}}', "no C, D, E"), ('{"model": {}}', "not a tokenizer")],
)
def test_tokenizer_of_another_kind_is_refused(folder: Path, content: str, message: str) -> None:
    (folder / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(BackboneError, match=message):
        build_backbone(str(folder), precision="float32")


@torch.no_grad()
def test_bfloat16_is_close(folder: Path) -> None:
    exact = build_backbone(str(folder), precision="float32").embed(UNITS)
    backbone = build_backbone(str(folder), precision="bfloat16")
    assert {parameter.dtype for parameter in backbone.parameters()} == {torch.bfloat16}
    embedded = backbone.embed(UNITS)
    assert embedded.dtype == torch.bfloat16
    assert (embedded.float() - exact).norm() / exact.norm() < 0.02


def test_renamed_weights_are_refused(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    renamed = {name.replace("block.1.layer.0", "block.1.other"): value for name, value in weights.items()}
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BackboneError, match=r"lacks 5 of its tensors \(encoder\.block\.1\.layer\.0\."):
        build_backbone(str(folder), precision="float32")


def test_a_missing_tensor_is_refused(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.final_layer_norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BackboneError, match=r"lacks 1 of its tensors \(encoder\.final_layer_norm\.weight\)"):
        build_backbone(str(folder), precision="float32")


def test_gradients_reach_every_parameter(folder: Path) -> None:
    backbone = build_backbone(str(folder), precision="float32")
    torch.manual_seed(0)
    embedded = backbone.embed(UNITS)
    (embedded * torch.randn_like(embedded)).sum().backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("count", "furthest"), [(32, 128), (64, 128), (16, 40)])
def test_buckets_equal_the_library(count: int, furthest: int) -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    distances = torch.arange(-3000, 3001)
    expected = T5Attention._relative_position_bucket(distances, True, count, furthest)
    assert torch.equal(relative_buckets(distances, count, furthest), expected)


@pytest.mark.parametrize("name", T5_CHECKPOINTS)
def test_published_sizes(name: str) -> None:
    checkpoint = CHECKPOINTS[name]
    with torch.device("meta"):
        model = T5EncoderModel(t5_config(checkpoint))
    assert round(sum(parameter.numel() for parameter in model.parameters()) / 1e6) == checkpoint.millions
    assert model.encoder.block[0].layer[0].SelfAttention.o.weight.shape[0] == checkpoint.width
    assert len(model.encoder.block) == checkpoint.depth


def test_the_bias_has_rows_that_gpu_attention_takes() -> None:
    config = T5Config(d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=4, vocab_size=128)
    source = Source("tiny_random", None, None, None, 0, (-1,), torch.float32)
    backbone = T5Backbone(T5EncoderModel(config).eval(), source, "tiny_random", "tiny_random")
    bias = backbone._position_bias(21)(21)
    assert bias.shape == (4, 21, 21)
    assert bias.stride(2) == 1
    assert bias.stride(1) % 16 == 0


@torch.inference_mode()
def test_observed_weights_contain_the_bias(tmp_path: Path) -> None:
    model, chain = tiny_random_t5(tmp_path), "MKTAYIAKQR"
    model.set_attn_implementation("eager")
    backbone = build_backbone(str(tmp_path), precision="float32")
    assert isinstance(backbone, T5Backbone)
    ids = torch.tensor([[*(PUBLISHED[residue] for residue in chain), END]])
    expected = model(ids, output_attentions=True).attentions
    views = observe_backbone(backbone, (chain,), (0,))
    for view, weights in zip(views, expected, strict=True):
        torch.testing.assert_close(view.weights, weights[0], atol=1e-5, rtol=1e-4)
