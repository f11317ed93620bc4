"""ESM-2, ESM-1b and ESM-1v against fair-esm, from its own files and from a folder of `transformers`."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import esm
import pytest
import torch
from transformers import EsmModel

from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.registry import build_backbone
from ppi.complexes import AMINO_ACIDS
from ppi.errors import BackboneError

UNITS = [("MKTAYIAKQR",), (AMINO_ACIDS, "MKX", "W"), ("GG", "PLVNQ"), ("MKTAYIAKQW",), ("C",)]
LAYERS = (0, 1, -1)
KINDS = ("esm2", "esm1b", "esm1v")
ALPHABET = esm.Alphabet.from_architecture("ESM-1b")
DEPTH = 3


def tiny_random_model(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    if kind == "esm2":
        model = esm.ESM2(num_layers=DEPTH, embed_dim=64, attention_heads=4)
    else:
        settings = Namespace(
            arch="roberta_large",
            layers=DEPTH,
            embed_dim=64,
            ffn_embed_dim=256,
            attention_heads=4,
            max_positions=60,
            token_dropout=True,
            emb_layer_norm_before=kind == "esm1b",
        )
        model = esm.ProteinBertModel(settings, ALPHABET)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.1)
    return model.eval()


def published_file(kind: str, model: Any) -> dict[str, Any]:
    """Return what a published file holds: prefixed names, and no contact regression."""
    state = {
        f"encoder.{name}" if name.startswith("lm_head") else f"encoder.sentence_encoder.{name}": tensor
        for name, tensor in model.state_dict().items()
        if not name.startswith("contact_head")
    }
    if kind == "esm2":
        cfg = Namespace(
            encoder_layers=DEPTH, encoder_embed_dim=64, encoder_attention_heads=4, token_dropout=True
        )
        return {"cfg": {"model": cfg}, "model": state}
    args = {
        f"encoder_{name}"
        if name in ("layers", "embed_dim", "ffn_embed_dim", "attention_heads")
        else name: value
        for name, value in vars(model.args).items()
        if name != "emb_layer_norm_before"
    }
    return {"args": Namespace(**args), "model": state}


@pytest.fixture(scope="module", params=KINDS)
def published(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model of fair-esm, and a file that holds it."""
    model = tiny_random_model(request.param)
    file = tmp_path_factory.mktemp("fair-esm") / "tiny_random.pt"
    torch.save(published_file(request.param, model), file)
    return model, file


def load(path: Path, precision: str = "float32", layers: tuple[int, ...] = LAYERS) -> PackedEncoder:
    backbone = build_backbone(str(path), layers=layers, precision=precision)
    assert isinstance(backbone, PackedEncoder)
    return backbone


def tokens_of(unit: tuple[str, ...]) -> torch.Tensor:
    chains = "<eos>".join(unit)
    return torch.tensor([[ALPHABET.cls_idx, *ALPHABET.encode(chains), ALPHABET.eos_idx]])


def residues_of(unit: tuple[str, ...]) -> torch.Tensor:
    return ~torch.isin(tokens_of(unit)[0], torch.tensor([ALPHABET.cls_idx, ALPHABET.eos_idx]))


def reference(model: Any, unit: tuple[str, ...]) -> torch.Tensor:
    wanted = [layer % (DEPTH + 1) for layer in LAYERS]
    states = model(tokens_of(unit), repr_layers=wanted)["representations"]
    return torch.cat([states[layer][0, residues_of(unit)] for layer in wanted], dim=1)


@torch.no_grad()
def test_agrees_with_fair_esm(published: tuple[Any, Path]) -> None:
    model, file = published
    ours = load(file).embed(UNITS).split([len("".join(unit)) for unit in UNITS])
    for unit, embedded in zip(UNITS, ours, strict=True):
        theirs = reference(model, unit)
        assert embedded.shape == theirs.shape
        assert (embedded - theirs).abs().max() < 1e-4


@torch.no_grad()
def test_a_folder_of_transformers_is_the_same_model(published: tuple[Any, Path], tmp_path: Path) -> None:
    model, file = published
    backbone = load(file)
    assert isinstance(backbone.model, EsmModel)
    backbone.model.save_pretrained(tmp_path)
    assert torch.equal(load(tmp_path).embed(UNITS), backbone.embed(UNITS))
    library = EsmModel.from_pretrained(tmp_path, add_pooling_layer=False).eval()
    for unit in UNITS:
        state = library(tokens_of(unit), attention_mask=torch.ones_like(tokens_of(unit))).last_hidden_state
        assert (state[0, residues_of(unit)] - reference(model, unit)[:, -64:]).abs().max() < 1e-4


@torch.no_grad()
def test_does_not_depend_on_the_batch(published: tuple[Any, Path]) -> None:
    backbone = load(published[1])
    alone = [backbone.embed([unit]) for unit in UNITS]
    for order in ([0, 1, 2, 3, 4], [4, 2, 0, 3, 1]):
        together = backbone.embed([UNITS[index] for index in order])
        assert (together - torch.cat([alone[index] for index in order])).abs().max() < 1e-5


def test_tokens_are_the_published_ones(published: tuple[Any, Path]) -> None:
    vocabulary = load(published[1]).vocabulary
    for unit in UNITS:
        assert vocabulary.encode([unit]).ids.tolist() == tokens_of(unit)[0].tolist()
    single = ALPHABET.get_batch_converter()([("", AMINO_ACIDS)])[2]
    assert vocabulary.encode([(AMINO_ACIDS,)]).ids.tolist() == single[0].tolist()


def test_gradients_reach_every_weight_in_use(published: tuple[Any, Path]) -> None:
    backbone = load(published[1], layers=(-1,))
    embedded = backbone.embed(UNITS)
    (embedded * torch.randn_like(embedded)).sum().backward()
    for name, parameter in backbone.named_parameters():
        if "contact_head" not in name:
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name


@torch.no_grad()
def test_bfloat16_is_close(published: tuple[Any, Path]) -> None:
    exact, rounded = (load(published[1], kind).embed(UNITS) for kind in ("float32", "bfloat16"))
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - exact).norm() / exact.norm() < 0.02


def test_limit_and_identity(published: tuple[Any, Path]) -> None:
    model, file = published
    backbone = load(file)
    assert backbone.spec == str(file)
    assert backbone.identity.startswith("esm2 ")
    assert backbone.identity == load(file).identity
    if hasattr(model, "embed_positions"):
        assert backbone.max_residues == 58
        assert backbone.embed([("A" * 58,)]).shape[0] == 58


@pytest.mark.filterwarnings("error")
def test_missing_contact_weights_are_no_warning(published: tuple[Any, Path]) -> None:
    load(published[1])


def test_foreign_weights_are_refused(tmp_path: Path) -> None:
    contents = published_file("esm2", tiny_random_model("esm2"))
    contents["model"].pop("encoder.sentence_encoder.layers.1.fc1.bias")
    torch.save(contents, tmp_path / "short.pt")
    with pytest.raises(BackboneError, match=r"not the weights of this model.*layers\.1\.fc1\.bias"):
        load(tmp_path / "short.pt")


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({"model": {}, "args": Namespace(arch="msa_transformer")}, "'msa_transformer' .* not supported"),
        ({"model": {}, "args": Namespace(arch="protein_bert_base")}, "'protein_bert_base' .* not supported"),
        ({"state_dict": {}, "epoch": 3}, "not a file of fair-esm: .*, but it has state_dict, epoch"),
        ({"model": {}}, "not a file of fair-esm: .*, but it has model"),
        ([1], "not a file of fair-esm: .*, but it has list"),
        ({"model": {}, "cfg": {"model": Namespace()}}, "not the weights of this model"),
    ],
)
def test_other_files_are_refused(contents: object, message: str, tmp_path: Path) -> None:
    torch.save(contents, tmp_path / "other.pt")
    with pytest.raises(BackboneError, match=message):
        load(tmp_path / "other.pt")


def test_another_package_of_the_same_name_is_no_traceback(
    published: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "esm.pretrained", ModuleType("esm.pretrained"))
    with pytest.raises(BackboneError, match="needs the package fair-esm"):
        load(published[1])


def test_files_that_run_code_are_refused(tmp_path: Path) -> None:
    torch.save({"model": print}, tmp_path / "code.pt")
    with pytest.raises(BackboneError, match="not a checkpoint that can be loaded"):
        load(tmp_path / "code.pt")
