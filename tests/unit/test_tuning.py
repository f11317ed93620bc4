"""What of a backbone is trained: exactly what was named, in every family."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from tiny_models import tiny_random_esm2
from torch import Tensor, nn
from transformers import EsmcConfig, EsmcModel, T5Config, T5EncoderModel

from heads.kernels.dense import dense_attention
from ppi.backbones.encoder import PackedEncoder
from ppi.backbones.esm2 import Esm2Backbone
from ppi.backbones.esm3 import Esm3Backbone, Esm3Trunk
from ppi.backbones.esmc import EsmcBackbone
from ppi.backbones.loading import Source
from ppi.backbones.residue import ResidueBackbone
from ppi.backbones.t5 import T5Backbone
from ppi.errors import BackboneError, SettingsError
from ppi.models.affinity import AffinityModel
from ppi.models.config import ModelConfig
from ppi.models.tuning import parameter_groups, prepare_tuning, tuned_names
from ppi.models.tuning_settings import TuningSettings

UNITS = [("MKTAYIAKQR",), ("ACDEFGHIKLMNPQRSTVWY", "MKX", "W"), ("GG", "PLVNQ"), ("MKTAYIAKQW",), ("C",)]
DEPTH, HEADS = 3, 2


def esm2(source: Source, positions: str = "rotary") -> PackedEncoder:
    model = tiny_random_esm2(
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        position_embedding_type=positions,
        emb_layer_norm_before=positions == "absolute",
    )
    return Esm2Backbone(model, source, "tiny_random", "tiny_random")


def esm1b(source: Source) -> PackedEncoder:
    return esm2(source, "absolute")


def esmc(source: Source) -> PackedEncoder:
    sizes = {"hidden_size": 32, "intermediate_size": 48}
    config = EsmcConfig(num_hidden_layers=DEPTH, num_attention_heads=HEADS, **sizes)
    return EsmcBackbone(EsmcModel(config), source, "tiny_random", "tiny_random")


def esm3(source: Source) -> PackedEncoder:
    return Esm3Backbone(Esm3Trunk(128, DEPTH, 96), source, "tiny_random", "tiny_random")


def t5(source: Source) -> PackedEncoder:
    sizes = {"d_model": 24, "d_kv": 10, "d_ff": 40, "vocab_size": 144, "feed_forward_proj": "gated-gelu"}
    config = T5Config(num_layers=DEPTH, num_heads=HEADS, **sizes)
    return T5Backbone(T5EncoderModel(config), source, "tiny_random", "tiny_random")


FAMILIES = [esm2, esm1b, esmc, esm3, t5]
METHODS = [
    TuningSettings(method="full"),
    TuningSettings(method="last-layers", last_layers=2),
    TuningSettings(method="lora", rank=2),
    TuningSettings(method="attention-heads", attention_heads=("1:1", "0")),
    TuningSettings(method="head-mix"),
]
every_family = pytest.mark.parametrize("family", FAMILIES)
every_method = pytest.mark.parametrize("tuning", METHODS, ids=lambda tuning: tuning.method)


def tiny_random(family: Callable[[Source], PackedEncoder], *layers: int) -> PackedEncoder:
    """Make a backbone whose weights are large enough for every part to matter."""
    torch.manual_seed(0)
    backbone = family(Source("tiny_random", None, None, None, 0, layers or (-1,), torch.float32))
    for parameter in backbone.parameters():
        nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.1)
    return backbone


def loss_of(backbone: PackedEncoder) -> Tensor:
    embedded = backbone.embed(UNITS).float()
    target = torch.randn(embedded.shape, generator=torch.Generator().manual_seed(0))
    return (embedded - target).square().mean()


def trained(backbone: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in backbone.named_parameters() if parameter.requires_grad}


def gradients(backbone: PackedEncoder) -> dict[str, Tensor]:
    parameters = trained(backbone)
    found = torch.autograd.grad(loss_of(backbone), list(parameters.values()))
    return dict(zip(parameters, found, strict=True))


def effective_weights(backbone: PackedEncoder) -> dict[str, Tensor]:
    """Copy the weights that linear layers compute with."""
    return {
        f"{name}.{kind}": getattr(module, kind).detach().clone()
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Linear)
        for kind in ("weight", "bias")
        if getattr(module, kind) is not None
    }


def train_steps(backbone: PackedEncoder, tuning: TuningSettings, steps: int = 3) -> None:
    optimizer = torch.optim.AdamW(parameter_groups(backbone, tuning, weight_decay=0.5), lr=1.0)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(backbone).backward()
        optimizer.step()


@every_family
@every_method
@pytest.mark.parametrize("layers", [(-1,), (1, 2)], ids=["last", "inner"])
def test_every_trained_parameter_gets_a_gradient(
    family: Callable[[Source], PackedEncoder], tuning: TuningSettings, layers: tuple[int, ...]
) -> None:
    backbone = tiny_random(family, *layers)
    prepare_tuning(backbone, tuning)
    if tuning.method == "lora":
        for name, parameter in trained(backbone).items():
            nn.init.normal_(parameter, std=0.1)
            assert "lora_" in name
    found = gradients(backbone)
    assert found
    assert all(gradient.any() for gradient in found.values()), found.keys()


@every_family
@every_method
def test_embeddings_stay_what_they_were(
    family: Callable[[Source], PackedEncoder], tuning: TuningSettings
) -> None:
    backbone = tiny_random(family)
    before = backbone.embed(UNITS)
    prepare_tuning(backbone, tuning)
    # To rounding: attention runs another kernel where its bias requires no gradient.
    assert torch.allclose(backbone.embed(UNITS), before, atol=1e-5)
    assert torch.allclose(backbone.train().embed(UNITS), before, atol=1e-5)  # no dropout
    train_steps(backbone, tuning.model_copy(update={"learning_rate": 1e-2}))
    assert (backbone.embed(UNITS) - before).abs().max() > 1e-3


@every_family
def test_full_is_all_that_the_embeddings_come_from(family: Callable[[Source], PackedEncoder]) -> None:
    whole, inner = tiny_random(family), tiny_random(family, 2)
    for backbone in (whole, inner):
        prepare_tuning(backbone, METHODS[0])
    unused = {f for f, _ in inner.named_parameters()} - trained(inner).keys()
    fixed = {name for name in unused if "function_embed" in name}  # rows of padding
    assert trained(whole).keys() == {name for name, _ in whole.named_parameters()} - fixed
    last = {name for name, module in inner.named_modules() if module in (inner.blocks[2], inner.final_norm)}
    assert unused - fixed == {name for name in unused if name.startswith(tuple(last))}
    assert unused - fixed


@every_family
def test_last_layers_are_the_last_that_are_used(family: Callable[[Source], PackedEncoder]) -> None:
    for layers, first, norm in (((-1,), 1, True), ((2,), 0, False)):
        backbone = tiny_random(family, *layers)
        prepare_tuning(backbone, METHODS[1])
        expected = {id(p) for block in backbone.blocks[first : first + 2] for p in block.parameters()}
        expected |= {id(p) for p in backbone.final_norm.parameters()} if norm else set()
        assert {id(parameter) for parameter in trained(backbone).values()} == expected
    with pytest.raises(SettingsError, match="last_layers is 4, but .* come from 3 layers"):
        prepare_tuning(tiny_random(family), TuningSettings(method="last-layers", last_layers=4))


@every_family
def test_only_the_chosen_heads_change(family: Callable[[Source], PackedEncoder]) -> None:
    backbone, tuning = tiny_random(family), TuningSettings(method="attention-heads", attention_heads=("1:1",))
    before = effective_weights(backbone)
    prepare_tuning(backbone, tuning)
    train_steps(backbone, tuning.model_copy(update={"learning_rate": 1e-2}))
    after = effective_weights(backbone)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    block = next(name for name, module in backbone.named_modules() if module is backbone.blocks[1])
    inputs = {f"{block}.{name}" for name in backbone.projections_in}
    output = f"{block}.{backbone.projection_out}.weight"
    assert changed == {name for name in before if name.rpartition(".")[0] in inputs} | {output}
    width = before[output].shape[1]
    chosen = torch.arange(width) >= width // HEADS  # the second of two
    for name in changed:
        moved = (before[name] != after[name]).float()
        if name == output:
            assert moved[:, ~chosen].sum() == 0
            assert moved[:, chosen].mean() > 0.9
        else:
            parts = moved.unflatten(0, (-1, width))
            assert parts[:, ~chosen].sum() == 0
            assert parts[:, chosen].mean() > 0.9


def test_a_share_of_heads_is_for_training() -> None:
    tuning = TuningSettings(method="attention-heads", attention_heads=("auto:0.5",))
    assert tuning.share == 0.5
    assert tuning.with_heads(["1:0"]).share is None
    with pytest.raises(SettingsError, match=r"is auto:0.5, but only ppi train can choose .* LAYER:HEAD"):
        prepare_tuning(tiny_random(esm2), tuning)


def test_heads_that_are_not_there() -> None:
    for name, layers in (("3", ()), ("0:2", ()), ("2:0", (2,))):
        with pytest.raises(SettingsError, match=rf"{name} does not exist; .* layers, .* with heads 0 to 1"):
            prepare_tuning(
                tiny_random(esm2, *layers), TuningSettings(method="attention-heads", attention_heads=(name,))
            )


@every_family
def test_lora_adapts_the_attention_or_what_is_named(family: Callable[[Source], PackedEncoder]) -> None:
    backbone = tiny_random(family)
    prepare_tuning(backbone, METHODS[2])
    projections = (*backbone.projections_in, backbone.projection_out)
    assert len(trained(backbone)) == 2 * DEPTH * len(projections)
    named = tiny_random(family)
    only = backbone.projection_out
    prepare_tuning(named, TuningSettings(method="lora", targets=(only,), rank=3))
    assert len(trained(named)) == 2 * DEPTH
    assert all(f".{only}." in name for name in trained(named))
    assert {min(parameter.shape) for parameter in trained(named).values()} == {3}
    inner = tiny_random(family, 1)
    prepare_tuning(inner, METHODS[2])
    assert len(trained(inner)) == 2 * len(projections)


def test_lora_follows_the_seed_of_torch() -> None:
    def drawn(seed: int) -> Tensor:
        backbone = tiny_random(esm2)
        torch.manual_seed(seed)
        prepare_tuning(backbone, METHODS[2])
        return torch.cat([parameter.flatten() for parameter in trained(backbone).values()])

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_unknown_targets_are_an_error_that_lists_the_known_ones() -> None:
    tuning = TuningSettings(method="lora", targets=("attention.self.query", "q_proj"))
    with pytest.raises(
        SettingsError, match=r"called 'q_proj'; there are attention.self.query, .* output.dense"
    ):
        prepare_tuning(tiny_random(esm2), tuning)


def test_lora_without_peft(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(BackboneError, match=r"pip install 'ppi-affinity\[lora\]'"):
        prepare_tuning(tiny_random(esm2), METHODS[2])


@every_method
def test_descriptors_have_nothing_to_train(tuning: TuningSettings) -> None:
    with pytest.raises(SettingsError, match="residue has nothing to train; choose a language model"):
        prepare_tuning(ResidueBackbone(), tuning)


def test_frozen_is_frozen() -> None:
    backbone = tiny_random(esm2)
    prepare_tuning(backbone, TuningSettings())
    assert not trained(backbone)
    assert parameter_groups(backbone, TuningSettings(), 0.1) == []


def test_vectors_are_not_decayed() -> None:
    backbone, tuning = tiny_random(esm2), TuningSettings(method="full", learning_rate=3e-5)
    prepare_tuning(backbone, tuning)
    matrices, vectors = parameter_groups(backbone, tuning, 0.1)
    assert {parameter.ndim for parameter in vectors["params"]} == {1}
    assert {parameter.ndim for parameter in matrices["params"]} == {2}
    assert len(vectors["params"]) + len(matrices["params"]) == len(trained(backbone))
    assert (matrices["weight_decay"], vectors["weight_decay"]) == (0.1, 0.0)
    assert matrices["lr"] == vectors["lr"] == 3e-5


@every_family
@every_method
def test_checkpointing_changes_memory_and_nothing_else(
    family: Callable[[Source], PackedEncoder], tuning: TuningSettings
) -> None:
    found, saved = [], []
    for checkpointing in (False, True):
        backbone = tiny_random(family)
        torch.manual_seed(1)
        prepare_tuning(backbone, tuning.model_copy(update={"gradient_checkpointing": checkpointing}))
        kept: dict[int, int] = {}

        def keep(tensor: Tensor, kept: dict[int, int] = kept) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = loss_of(backbone)
            weights = {p.untyped_storage().data_ptr() for p in backbone.parameters()}
            saved.append(sum(size for storage, size in kept.items() if storage not in weights))
        names, parameters = zip(*trained(backbone).items(), strict=True)
        found.append((loss, dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))))
    (plain, expected), (again, computed) = found
    assert torch.equal(plain, again)
    assert expected.keys() == computed.keys()
    assert all(torch.allclose(expected[name], computed[name], atol=1e-7) for name in expected)
    assert saved[1] < 0.6 * saved[0], saved


@every_family
@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointing"])
def test_bfloat16_autocast_is_close(family: Callable[[Source], PackedEncoder], checkpointing: bool) -> None:
    backbone = tiny_random(family, 0, 2, -1)
    prepare_tuning(backbone, TuningSettings(method="full", gradient_checkpointing=checkpointing))
    exact, exact_gradients = backbone.embed(UNITS), gradients(backbone)
    with torch.autocast("cpu", torch.bfloat16):
        embedded, rounded = backbone.embed(UNITS), gradients(backbone)
    assert embedded.dtype == torch.float32
    assert (embedded - exact).norm() < 0.02 * exact.norm()
    assert {gradient.dtype for gradient in rounded.values()} == {torch.float32}
    together = [torch.cat([g.flatten() for g in found.values()]) for found in (exact_gradients, rounded)]
    assert (together[0] - together[1]).norm() < 0.05 * together[0].norm()


@every_family
def test_attention_under_autocast_gets_one_data_type(
    family: Callable[[Source], PackedEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Autocast itself would cast what is left in float32 only after the choice of a kernel."""
    seen: list[torch.dtype] = []

    def attend(*parts: Tensor, bias: Tensor | None, **options: float) -> Tensor:
        seen.extend(part.dtype for part in (*parts, bias) if part is not None)
        return dense_attention(*parts, bias=bias, **options)

    monkeypatch.setattr("heads.kernels.dense.dense_attention", attend)
    backbone = tiny_random(family)
    with torch.autocast("cpu", torch.bfloat16):
        backbone.embed(UNITS)
    assert set(seen) == {torch.bfloat16}


@every_method
def test_a_saved_model_gives_the_same(tuning: TuningSettings, tmp_path: Path) -> None:
    config = ModelConfig(
        backbone="random-esm2-8m-seed0", precision="float32", head="hp", mixer="none", tuning=tuning
    )
    model = AffinityModel(config)
    backbone = model.backbone
    assert isinstance(backbone, PackedEncoder)
    before = backbone.embed(UNITS)
    train_steps(backbone, tuning.model_copy(update={"learning_rate": 1e-3}), steps=1)
    model.save_pretrained(tmp_path)
    again = AffinityModel.from_pretrained(str(tmp_path))
    assert torch.equal(again.backbone.embed(UNITS), backbone.embed(UNITS))
    assert not torch.equal(again.backbone.embed(UNITS), before)
    assert again.backbone.identity != model.backbone.identity  # told by the digest of what was trained
    kept = {name.removeprefix("backbone.") for name in again.trained_state() if name.startswith("backbone.")}
    assert kept == tuned_names(backbone) >= trained(backbone).keys()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 4}, "a frozen backbone takes no rank; choose a method"),
        ({"gradient_checkpointing": True}, "a frozen backbone takes no gradient_checkpointing"),
        ({"method": "full", "targets": ("q",)}, "targets is for the method lora, not for full"),
        ({"method": "lora", "last_layers": 2}, "last_layers is for the method last-layers, not for lora"),
        ({"method": "attention-heads"}, "attention_heads is empty; .* LAYER:HEAD, such as 5:0"),
        ({"method": "attention-heads", "attention_heads": ("1:2", "a")}, "attention_heads is 'a'"),
        ({"method": "attention-heads", "attention_heads": ("auto:0",)}, "'auto:0'; .* above 0 and at most 1"),
        ({"method": "attention-heads", "attention_heads": ("auto:1.5",)}, "share of heads to train, above 0"),
        ({"method": "attention-heads", "attention_heads": ("auto:few",)}, "'auto:few'; .* such as auto:0.05"),
        ({"method": "attention-heads", "attention_heads": ("auto:0.1", "1")}, "'auto:0.1'; .* or only auto:"),
        (
            {"method": "lora", "attention_heads": ("auto:0.1",)},
            "attention_heads is for the method attention-",
        ),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TuningSettings(**settings)


@every_method
def test_settings_are_read_as_they_were_written(tuning: TuningSettings) -> None:
    assert TuningSettings.model_validate_json(tuning.model_dump_json()) == tuning
