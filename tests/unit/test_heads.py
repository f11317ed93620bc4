"""What every head x mixer x pooling must hold, with the residue backbone."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from conftest import batch_of, random_chain, random_complex
from heads.registry import HEADS, MIXERS, POOLINGS, build_head
from torch.nn.functional import scaled_dot_product_attention

from heads.base import Head
from heads.ragged import RaggedBatch, segment_softmax
from ppi.backbones.residue import ResidueBackbone
from ppi.complexes import Complex
from ppi.training.module import head_outputs

#: Options beside the published defaults, by head.
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("ec", {"late": True}),
    ("ec", {"late": True, "symmetric": True}),
    ("ec", {"mixer_per_side": True}),
    ("sc", {"symmetric": True}),
    *((name, {"lengths": True}) for name in ("ec", "sc", "hp", "pad")),
    ("hp", {"aggregation": "add"}),
    ("hp", {"aggregation": "mean", "network": False}),
    ("hp", {"per_side": True}),
    ("hp", {"side_pooling": "max"}),
    ("hp", {"symmetric": True}),
    ("hp", {"mixer_per_side": True, "symmetric": True}),
    ("pad", {"separate_directions": True}),
    ("pad", {"separate_directions": True, "symmetric": True}),
    ("pad", {"network": False, "heads": 4}),
    ("pad", {"network_width": 16, "mixer_per_side": True}),
]
Case = tuple[str, str, str, dict[str, Any]]
EVERY_CASE: list[Case] = [
    *((name, mixer, pooling, {}) for name, mixer, pooling in product(HEADS, MIXERS, POOLINGS)),
    *((name, mixer, "attention", options) for mixer in MIXERS for name, options in VARIANTS),
]
#: Training takes a while: every head, mixer, pooling and option in some case, not in all together.
TRAINED: list[Case] = [
    *((name, mixer, "attention", {}) for name, mixer in product(HEADS, MIXERS)),
    *(("hp", "none", pooling, {}) for pooling in POOLINGS if pooling != "attention"),
    *((name, "none", "attention", options) for name, options in VARIANTS),
]


def label(case: Case) -> str:
    return "-".join([*case[:3], *(f"{key}={value}" for key, value in case[3].items())])


def build(case: Case) -> Head:
    torch.manual_seed(0)
    name, mixer, pooling, options = case
    if pooling == "layers":
        options = {**options, "pooling_options": {"layers": 2}}
    return build_head(name, 48, mixer, pooling, **options).eval()  # type: ignore[arg-type]


@pytest.fixture(params=EVERY_CASE, ids=label)
def head(request: pytest.FixtureRequest) -> Head:
    return build(request.param)


@pytest.fixture
def complexes(random: np.random.Generator) -> list[Complex]:
    """One residue, one chain, ten chains, a homomer, and a few ordinary ones."""
    homomer = random_chain(random, 30)
    return [
        Complex("one residue", ("K",), ("E",)),
        random_complex(random, "ordinary"),
        random_complex(random, "ten chains", ligand=4, receptor=6),
        Complex("homomer", (homomer, homomer), (homomer,)),
        random_complex(random, "antibody", ligand=2),
    ]


def batch_for(head: Head, complexes: list[Complex]) -> RaggedBatch:
    return batch_of(ResidueBackbone(), complexes, head.encoding_unit, head.both_orders)


def predict(head: Head, complexes: list[Complex]) -> torch.Tensor:
    with torch.no_grad():
        return head(batch_for(head, complexes))


def test_prediction_does_not_depend_on_the_batch(head: Head, complexes: list[Complex]) -> None:
    alone = torch.cat([predict(head, [item]) for item in complexes])
    assert torch.allclose(predict(head, complexes), alone, atol=1e-5)
    assert torch.allclose(predict(head, complexes[::-1]), alone.flip(0), atol=1e-5)
    assert alone.std() > 1e-4  # the complexes are told apart, so equality above means something


def test_gradients_reach_every_parameter(head: Head, complexes: list[Complex]) -> None:
    head(batch_for(head, complexes)).square().sum().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if not name.endswith("mixer.key.bias"):  # a shift of all keys leaves every softmax unchanged
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("options", [{}, {"symmetric": True}], ids=["plain", "symmetric"])
@pytest.mark.parametrize("name", HEADS)
def test_a_heteroscedastic_head_gives_a_second_output(
    name: str, options: dict[str, Any], complexes: list[Complex]
) -> None:
    head = build((name, "convbert", "attention", {"heteroscedastic": True, **options}))
    batch = batch_for(head, complexes)
    outputs = head.all_outputs(batch)
    assert outputs.shape == (len(complexes), head.outputs) == (5, 2)
    assert head(batch).shape == (5,)
    assert torch.equal(head(batch), outputs[:, 0])
    assert (outputs.std(dim=0) > 1e-4).all()
    alone = torch.cat([head.all_outputs(batch_for(head, [item])) for item in complexes])
    assert torch.allclose(outputs, alone, atol=1e-5)


@pytest.mark.parametrize("output", [0, 1])
@pytest.mark.parametrize("name", HEADS)
def test_gradients_of_either_output_reach_every_parameter(
    name: str, output: int, complexes: list[Complex]
) -> None:
    head = build((name, "convbert", "attention", {"heteroscedastic": True}))
    head.all_outputs(batch_for(head, complexes))[:, output].square().sum().backward()
    last = [layer for layer in head.regressor.modules() if isinstance(layer, torch.nn.Linear)][-1]
    for parameter in (last.weight, last.bias):  # a row for each output
        assert parameter.grad[output].abs().sum() > 0
        assert not parameter.grad[1 - output].any()
    for key, parameter in head.named_parameters():
        assert torch.isfinite(parameter.grad).all(), key
        if not key.endswith("mixer.key.bias"):  # see above
            assert parameter.grad.abs().sum() > 0, key


@pytest.mark.parametrize("name", HEADS)
def test_one_output_unless_asked_for_two(name: str, complexes: list[Complex]) -> None:
    head = build((name, "none", "mean", {}))
    outputs = head.all_outputs(batch_for(head, complexes))
    assert outputs.shape == (len(complexes), head.outputs) == (5, 1)
    assert torch.equal(head(batch_for(head, complexes)), outputs[:, 0])


@pytest.mark.parametrize("case", TRAINED, ids=label)
def test_overfits_eight_complexes(case: Case, random: np.random.Generator) -> None:
    head = build(case)
    complexes = [random_complex(random, str(index), ligand=1 + index % 2) for index in range(8)]
    target = torch.tensor([item.pkd for item in complexes])
    target = (target - target.mean()) / target.std()
    batch = batch_for(head, complexes)
    optimizer = torch.optim.AdamW(head.parameters(), lr=5e-3, weight_decay=0)
    for _ in range(400):
        optimizer.zero_grad()
        loss = (head(batch) - target).square().mean()
        if loss < 0.01:
            break
        loss.backward()
        optimizer.step()
    assert loss < 0.01


def test_swap_of_ligand_and_receptor_is_as_declared(head: Head, complexes: list[Complex]) -> None:
    swapped = [Complex(item.id, item.receptor, item.ligand) for item in complexes]
    same = torch.allclose(predict(head, complexes), predict(head, swapped), atol=1e-5)
    assert same == (head.swap_invariant or (head.encoding_unit == "complex" and sees_a_bag(head)))


def test_chain_order_is_as_declared(head: Head, complexes: list[Complex]) -> None:
    reordered = [Complex(item.id, item.ligand[::-1], item.receptor[::-1]) for item in complexes]
    same = torch.allclose(predict(head, complexes), predict(head, reordered), atol=1e-5)
    assert same == (head.chain_order_invariant or sees_a_bag(head))


def sees_a_bag(head: Head) -> bool:
    """Whether no part of a head whose pooling takes all residues at once sees their order."""
    mixes = any(True for _ in head.mixer.parameters())
    return head.encoding_unit != "chain" and not mixes and not head.pooling.ordered


def test_ragged_batch_refuses_what_is_not_one() -> None:
    values, two = torch.zeros(3, 4), torch.tensor([0, 1])
    for offsets, owner in (
        (torch.tensor([0]), torch.tensor([], dtype=torch.long)),
        (torch.tensor([0, 1, 4]), two),
        (torch.tensor([0, 3, 3]), two),
        (torch.tensor([0, 1, 3]), torch.tensor([1, 0])),
        (torch.tensor([0, 1, 3]), torch.tensor([0, 2])),
    ):
        with pytest.raises(ValueError, match=r"unit|offset|complex"):
            RaggedBatch(values, offsets, owner, owner.clone())


def test_heads_refuse_a_complex_without_a_side() -> None:
    batch = RaggedBatch(torch.zeros(3, 48), torch.tensor([0, 3]), torch.tensor([0]), torch.tensor([0]))
    with pytest.raises(ValueError, match="receptor"):
        build_head("hp", 48)(batch)


def test_unknown_names_and_options_list_the_known_ones() -> None:
    with pytest.raises(ValueError, match="convbert, none"):
        build_head("hp", 48, "transformer")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ec has no option 'network'; it has heteroscedastic, late"):
        build_head("ec", 48, network=True)
    with pytest.raises(ValueError, match="lengths of hp is 'maybe'; true or false was expected"):
        build_head("hp", 48, lengths="maybe")
    for name, options, message in (
        ("pad", {"heads": 0}, "heads of pad is 0; a whole number of at least 1 was expected"),
        ("pad", {"network_width": -3}, "network_width of pad is -3; a whole number"),
        ("pad", {"heads": 2.5}, "heads of pad is 2.5; a whole number"),
        ("ec", {"mixer_options": {"head_ratio": 0}}, "head_ratio of convbert is 0; a whole number"),
        ("ec", {"mixer_options": {"kernel": 67}}, "the kernel 67 odd and at most 65"),
        ("ec", {"mixer_options": {"attention_dropout": 1.5}}, "is 1.5; a part of 1 was expected"),
        ("ec", {"pooling": "gated", "pooling_options": {"hidden": 0}}, "hidden of gated is 0"),
        (
            "ec",
            {"pooling": "token-aware", "pooling_options": {"dilations": [0]}},
            r"is \[0\]; a whole number",
        ),
        (
            "ec",
            {"pooling": "layers", "pooling_options": {"layers": 2, "queries": 0}},
            "queries of layers is 0; a whole number",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            build_head(name, 48, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mean has no option 'heads'; it has none"):
        build_head("ec", 48, pooling="mean", pooling_options={"heads": 3})
    with pytest.raises(ValueError, match="sc reads both sides as one sequence"):
        build_head("sc", 48, mixer_per_side=True)
    with pytest.raises(ValueError, match="aggregation is 'max'"):
        build_head("hp", 48, aggregation="max")
    with pytest.raises(ValueError, match="at least two of one width; 5 in a width of 48"):
        build_head("ec", 48, pooling="layers", pooling_options={"layers": 5})


def test_mixer_options_reach_the_mixer() -> None:
    head = build_head("ec", 48, mixer_options={"kernel": 5, "dropout": 0.0})
    assert (head.mixer.kernel, head.mixer.dropout.probability) == (5, 0.0)


def test_softmax_of_extreme_scores_is_finite() -> None:
    scores = torch.tensor([[1e4, -1e4, 3.0, -1e4]]).T
    weights = segment_softmax(scores, torch.tensor([0, 3, 4]))
    assert torch.allclose(weights, torch.tensor([[1.0, 0, 0, 1]]).T)


def test_exchanged_sides_are_those_of_the_exchanged_complexes(complexes: list[Complex]) -> None:
    swapped = [Complex(item.id, item.receptor, item.ligand) for item in complexes]
    for unit in ("chain", "side"):
        found = batch_of(ResidueBackbone(), complexes, unit).exchanged()
        expected = batch_of(ResidueBackbone(), swapped, unit)
        for name in ("values", "unit_offsets", "unit_complex", "unit_role"):
            assert torch.equal(getattr(found, name), getattr(expected, name)), name


def test_each_side_attends_the_other_side_of_its_own_complex(complexes: list[Complex]) -> None:
    torch.manual_seed(0)
    head = build_head("pad", 48, "none").eval()
    cross = head.attention
    backbone = ResidueBackbone()

    def attend(query: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        def split(linear: torch.nn.Linear, values: torch.Tensor) -> torch.Tensor:
            return linear(values).view(1, len(values), 8, 6).transpose(1, 2)

        found = scaled_dot_product_attention(
            split(cross.query, query), split(cross.key, other), split(cross.value, other)
        )
        return query + cross.out(found.transpose(1, 2).reshape(len(query), 48))

    def pool(values: torch.Tensor) -> torch.Tensor:
        return values.T @ torch.softmax(head.pooling.score(values).squeeze(1), 0)

    expected = []
    with torch.no_grad():
        for item in complexes:
            ligand, receptor = backbone.embed([item.ligand]), backbone.embed([item.receptor])
            joined = pool(attend(ligand, receptor)) + pool(attend(receptor, ligand))
            expected.append(head.regressor(head.network(joined)))
    assert torch.allclose(predict(head, complexes), torch.cat(expected), atol=1e-5)


@pytest.mark.parametrize("name", HEADS)
def test_compiled_gives_the_same(name: str, complexes: list[Complex]) -> None:
    torch.manual_seed(0)
    head = build_head(name, 48, "convbert").eval()  # type: ignore[arg-type]
    batch = batch_for(head, complexes)
    # Traced and lowered as for any compiler, without one.
    compiled = torch.compile(head, backend="aot_eager")
    with torch.no_grad():
        assert torch.allclose(compiled(batch), head(batch), atol=1e-5)


def test_bfloat16_is_close_to_float32(head: Head, complexes: list[Complex]) -> None:
    """What training with the head in bfloat16 computes, and its gradient."""
    batch = batch_for(head, complexes)
    found = []
    for low in (False, True):
        head.zero_grad()
        outputs = head_outputs(head, batch, low=low)
        assert outputs.dtype == torch.float32
        outputs.sum().backward()
        gradients = [part.grad.flatten() for part in head.parameters() if part.grad is not None]
        found.append((outputs.detach(), torch.cat(gradients)))
    for exact, rounded in zip(*found, strict=True):
        assert (exact - rounded).norm() < 0.15 * exact.norm()


@pytest.mark.parametrize("multiple", [1, 2, 64])
def test_a_complex_of_zeros_fills_a_batch_up(multiple: int, head: Head, complexes: list[Complex]) -> None:
    batch = batch_for(head, complexes)
    filled = batch.filled(multiple)
    assert filled.values.shape[0] % multiple == 0
    assert 0 < filled.values.shape[0] - batch.values.shape[0] < multiple + 2
    assert len(filled) == len(batch) + 1
    with torch.no_grad():
        torch.testing.assert_close(head(filled)[:-1], head(batch), atol=1e-5, rtol=1e-5)
