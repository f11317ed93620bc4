"""ESM3 against its formulas, written out plainly over a padded batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import EsmcTokenizer

from ppi.backbones.checkpoints import CHECKPOINTS, Checkpoint
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.esm3 import Esm3Trunk, esm3_trunk
from ppi.backbones.registry import build_backbone
from ppi.complexes import AMINO_ACIDS
from ppi.errors import BackboneError

UNITS = [("MKTAYIAKQR",), (AMINO_ACIDS, "MKX", "W"), ("GG", "PLVNQ"), ("MKTAYIAKQW",), ("C",)]
LAYERS = (0, 1, -1)
WIDTH, DEPTH, INNER, GEOMETRIC_HEADS = 128, 3, 256, 4
CLS, PAD, EOS, CHAIN_BREAK = 0, 1, 2, 31
Weights = dict[str, Tensor]


def published_weights() -> Weights:
    """Random tensors with the published names and shapes; rows of padding are not zero."""
    block = {
        "attn.layernorm_qkv.0.weight": (WIDTH,),
        "attn.layernorm_qkv.0.bias": (WIDTH,),
        "attn.layernorm_qkv.1.weight": (3 * WIDTH, WIDTH),
        "attn.q_ln.weight": (WIDTH,),
        "attn.k_ln.weight": (WIDTH,),
        "attn.out_proj.weight": (WIDTH, WIDTH),
        "ffn.0.weight": (WIDTH,),
        "ffn.0.bias": (WIDTH,),
        "ffn.1.weight": (2 * INNER, WIDTH),
        "ffn.3.weight": (WIDTH, INNER),
    }
    geometric = {
        "s_norm.weight": (WIDTH,),
        "proj.weight": (15 * GEOMETRIC_HEADS, WIDTH),
        "out_proj.weight": (WIDTH, 3 * GEOMETRIC_HEADS),
        "distance_scale_per_head": (GEOMETRIC_HEADS,),
        "rotation_scale_per_head": (GEOMETRIC_HEADS,),
    }
    shapes = {
        "encoder.sequence_embed.weight": (64, WIDTH),
        "encoder.plddt_projection.weight": (WIDTH, 16),
        "encoder.plddt_projection.bias": (WIDTH,),
        "encoder.structure_per_res_plddt_projection.weight": (WIDTH, 16),
        "encoder.structure_per_res_plddt_projection.bias": (WIDTH,),
        "encoder.structure_tokens_embed.weight": (4101, WIDTH),
        "encoder.ss8_embed.weight": (11, WIDTH),
        "encoder.sasa_embed.weight": (19, WIDTH),
        **{f"encoder.function_embed.{part}.weight": (260, WIDTH // 8) for part in range(8)},
        "encoder.residue_embed.weight": (1478, WIDTH),
        **{f"transformer.blocks.{n}.{name}": shape for n in range(DEPTH) for name, shape in block.items()},
        **{f"transformer.blocks.0.geom_attn.{name}": shape for name, shape in geometric.items()},
        "transformer.norm.weight": (WIDTH,),
        "output_heads.sequence_head.0.weight": (WIDTH, WIDTH),
    }
    torch.manual_seed(0)
    return {
        name: torch.randn(shape) * 0.1 + float("ln" in name or "norm.weight" in name)
        for name, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def weights() -> Weights:
    return published_weights()


@pytest.fixture(scope="module")
def tiny_random_folder(weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(weights, tmp_path_factory.mktemp("esm3") / "tiny_random")


def save(state: object, folder: Path) -> Path:
    file = folder / "data/weights/esm3_sm_open_v1.pth"
    file.parent.mkdir(parents=True)
    torch.save(state, file)
    return folder


def load(path: Path | str, precision: str = "float32", layers: tuple[int, ...] = LAYERS) -> PackedEncoder:
    backbone = build_backbone(str(path), layers=layers, precision=precision)
    assert isinstance(backbone, PackedEncoder)
    return backbone


def padded_tokens(units: list[tuple[str, ...]]) -> Tensor:
    """Return ``(B, L)`` tokens of the published tokeniser."""
    tokens = [torch.tensor(EsmcTokenizer()("|".join(unit))["input_ids"]) for unit in units]
    return torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=PAD)


def reference_states(weights: Weights, tokens: Tensor) -> list[Tensor]:
    """Return the ``(B, L, D)`` hidden states of ``(B, L)`` tokens, before the first block and after each."""
    sequence = tokens != PAD
    same = sequence[:, :, None] == sequence[:, None, :]
    states = [reference_encoder(weights, tokens)]
    scale = (DEPTH / 36) ** 0.5
    for number in range(DEPTH):
        block = {
            name.removeprefix(f"transformer.blocks.{number}."): tensor for name, tensor in weights.items()
        }
        hidden = states[-1]
        hidden = hidden + reference_attention(block, hidden, same) / scale
        if number == 0:
            # Without coordinates all outputs of geometric attention are masked before its projection.
            masked = torch.zeros(*tokens.shape, 3 * GEOMETRIC_HEADS)
            hidden = hidden + masked @ block["geom_attn.out_proj.weight"].T / scale
        normed = functional.layer_norm(hidden, (WIDTH,), block["ffn.0.weight"], block["ffn.0.bias"])
        gate, value = (normed @ block["ffn.1.weight"].T).split(INNER, dim=-1)
        hidden = hidden + (gate * torch.sigmoid(gate) * value) @ block["ffn.3.weight"].T / scale
        states.append(hidden)
    states[-1] = functional.layer_norm(states[-1], (WIDTH,), weights["transformer.norm.weight"])
    return states


def reference_encoder(weights: Weights, tokens: Tensor) -> Tensor:
    part = {name.removeprefix("encoder."): tensor for name, tensor in weights.items()}
    structure = torch.full_like(tokens, 4096)
    for token, of_structure in ((EOS, 4097), (CLS, 4098), (PAD, 4099), (CHAIN_BREAK, 4100)):
        structure[tokens == token] = of_structure
    unknown = torch.zeros_like(tokens)
    functions = [
        functional.embedding(unknown, part[f"function_embed.{n}.weight"], padding_idx=0) for n in range(8)
    ]
    annotations = functional.embedding_bag(
        unknown.flatten()[:, None].expand(-1, 16), part["residue_embed.weight"], mode="sum", padding_idx=0
    )
    return (
        part["sequence_embed.weight"][tokens]
        + reference_plddt(part, "plddt_projection", torch.ones(tokens.shape))
        + reference_plddt(part, "structure_per_res_plddt_projection", torch.zeros(tokens.shape))
        + part["structure_tokens_embed.weight"][structure]
        + part["ss8_embed.weight"][unknown]
        + part["sasa_embed.weight"][unknown]
        + torch.cat(functions, dim=-1)
        + annotations.view(*tokens.shape, WIDTH)
    )


def reference_plddt(part: Weights, name: str, values: Tensor) -> Tensor:
    distance = (values[..., None] - torch.arange(16) / 15) / (1 / 16)
    return functional.linear(torch.exp(-distance.square()), part[f"{name}.weight"], part[f"{name}.bias"])


def reference_attention(block: Weights, hidden: Tensor, same: Tensor) -> Tensor:
    norm = block["attn.layernorm_qkv.0.weight"], block["attn.layernorm_qkv.0.bias"]
    normed = functional.layer_norm(hidden, (WIDTH,), *norm)
    query, key, value = (normed @ block["attn.layernorm_qkv.1.weight"].T).split(WIDTH, dim=-1)
    query = functional.layer_norm(query, (WIDTH,), block["attn.q_ln.weight"])
    key = functional.layer_norm(key, (WIDTH,), block["attn.k_ln.weight"])
    query, key, value = (part.unflatten(-1, (-1, 64)).transpose(1, 2) for part in (query, key, value))
    scores = rotated(query) @ rotated(key).transpose(2, 3) / 8
    attention = scores.masked_fill(~same[:, None], -torch.inf).softmax(dim=-1)
    return (attention @ value).transpose(1, 2).flatten(2) @ block["attn.out_proj.weight"].T


def rotated(heads: Tensor) -> Tensor:
    """Turn ``(B, H, L, 64)``: the two halves are real and imaginary parts, and the position is an angle."""
    frequencies = 10_000.0 ** -(torch.arange(32) / 32)
    angles = torch.arange(heads.shape[2])[:, None] * frequencies
    turned = torch.complex(*heads.chunk(2, dim=-1)) * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([turned.real, turned.imag], dim=-1)


def reference(weights: Weights, units: list[tuple[str, ...]]) -> Tensor:
    tokens = padded_tokens(units)
    states = torch.cat([reference_states(weights, tokens)[layer] for layer in LAYERS], dim=-1)
    return states[~torch.isin(tokens, torch.tensor([CLS, PAD, EOS, CHAIN_BREAK]))]


@torch.no_grad()
def test_agrees_with_the_formulas(weights: Weights, tiny_random_folder: Path) -> None:
    ours, padded = load(tiny_random_folder).embed(UNITS), reference(weights, UNITS)
    assert ours.shape == padded.shape
    assert (ours - padded).abs().max() < 1e-4
    alone = torch.cat([reference(weights, [unit]) for unit in UNITS])
    assert (ours - alone).abs().max() < 1e-4


@torch.no_grad()
def test_padding_is_never_attended(weights: Weights, tiny_random_folder: Path, tmp_path: Path) -> None:
    poisoned = dict(weights)
    for name, row in (("sequence_embed", PAD), ("structure_tokens_embed", 4099)):
        poisoned[f"encoder.{name}.weight"] = weights[f"encoder.{name}.weight"].clone()
        poisoned[f"encoder.{name}.weight"][row] = torch.nan
    ours = load(save(poisoned, tmp_path)).embed(UNITS)
    assert torch.equal(ours, load(tiny_random_folder).embed(UNITS))


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


def test_gradients_reach_every_trainable_weight(tiny_random_folder: Path) -> None:
    backbone = load(tiny_random_folder, layers=(-1,))
    embedded = backbone.embed(UNITS)
    (embedded * torch.randn_like(embedded)).sum().backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.requires_grad == ("function_embed" not in name)
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name


@torch.no_grad()
def test_bfloat16_is_close(tiny_random_folder: Path) -> None:
    exact, rounded = (load(tiny_random_folder, kind).embed(UNITS) for kind in ("float32", "bfloat16"))
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - exact).norm() / exact.norm() < 0.02


def test_a_file_is_the_same_backbone_as_its_folder(tiny_random_folder: Path) -> None:
    folder, file = load(tiny_random_folder), load(next(tiny_random_folder.rglob("*.pth")))
    assert folder.identity == file.identity
    assert folder.identity.startswith("esm3 ")
    assert torch.equal(folder.embed(UNITS), file.embed(UNITS))


def test_module_has_the_published_names(weights: Weights) -> None:
    ignored = ("output_heads.", "transformer.blocks.0.geom_attn.", "encoder.residue_embed.")
    used = {name: tensor.shape for name, tensor in weights.items() if not name.startswith(ignored)}
    module = Esm3Trunk(WIDTH, DEPTH, INNER).state_dict()
    assert {name: tensor.shape for name, tensor in module.items()} == used


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transformer.blocks.1.attn.q_ln.weight": None}, "lacks 1 .*transformer.blocks.1.attn.q_ln.weight"),
        ({"transformer.norm.weight": None}, "lacks 1 .*transformer.norm.weight"),
        ({"encoder.sasa_embed.weight": torch.zeros(2, 2)}, "another shape for 1 .*encoder.sasa_embed.weight"),
        ({"transformer.blocks.1.attn.out_proj.bias": torch.zeros(2)}, "no tensor .*out_proj.bias"),
        ({"transformer.norm.weight": torch.zeros(100)}, "the width is 100; it must be a multiple of 64"),
    ],
)
def test_foreign_weights_are_refused(
    weights: Weights, change: dict[str, Tensor | None], message: str, tmp_path: Path
) -> None:
    changed = {name: tensor for name, tensor in {**weights, **change}.items() if tensor is not None}
    with pytest.raises(BackboneError, match=message):
        load(save(changed, tmp_path))


def test_files_without_tensors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="the file contains a list; give one with the tensors of ESM3"):
        load(save([1, 2], tmp_path / "list"))
    text = tmp_path / "text.pth"
    text.write_text("nothing")
    with pytest.raises(BackboneError, match="not a checkpoint that can be loaded"):
        load(text)


def test_published_size() -> None:
    checkpoint = CHECKPOINTS["esm3-sm-open"]
    with torch.device("meta"):
        trunk = esm3_trunk(checkpoint)
    assert round(sum(parameter.numel() for parameter in trunk.parameters()) / 1e6) == checkpoint.millions


@pytest.fixture
def tiny_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"intermediate_size": INNER}
    tiny = Checkpoint("esm3", "nobody/tiny", 0, WIDTH, DEPTH, 2, "MIT", 2046, architecture=sizes)
    monkeypatch.setitem(CHECKPOINTS, "tiny", tiny)


@pytest.mark.usefixtures("tiny_checkpoint")
def test_random_weights_follow_the_seed() -> None:
    first, again, other = (load(f"random-tiny-seed{seed}").embed(UNITS) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.usefixtures("tiny_checkpoint")
def test_hub_file_is_pinned_to_its_commit(
    weights: Weights, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = save(weights, tmp_path / "models--nobody--tiny/snapshots/0123abc")

    def fetch(repository: str, file: str, revision: str | None) -> str:
        assert (repository, revision) == ("nobody/tiny", "main2")
        return str(folder / file)

    monkeypatch.setattr("ppi.backbones.loading.hf_hub_download", fetch)
    backbone = load("tiny@main2")
    assert backbone.spec == "tiny@0123abc"
    assert backbone.identity == "tiny@0123abc v1 layers 0,1,3 float32"
    assert backbone.licence == "MIT"


@pytest.mark.usefixtures("tiny_checkpoint")
def test_weights_that_cannot_be_fetched_name_the_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> str:
        raise OSError("access to this model is restricted.")

    monkeypatch.setattr("ppi.backbones.loading.hf_hub_download", fail)
    with pytest.raises(BackboneError, match="nobody/tiny .*restricted.*hf download nobody/tiny"):
        load("tiny")
