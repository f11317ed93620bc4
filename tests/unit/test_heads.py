"""What every head x mixer x pooling must hold, with the residue backbone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import torch
from conftest import batch_of, random_chain, random_complex
from torch.nn.functional import scaled_dot_product_attention

from heads.base import Head
from heads.build import build_head
from heads.names import HEADS, MIXERS, POOLINGS
from heads.ragged import RaggedBatch, Segments, segment_softmax
from ppi.backbones.residue import ResidueBackbone
from ppi.complexes import Complex
from ppi.training.module import head_outputs

Row = dict[str, Any]
#: Two names of factors with a value of each.
Pair = frozenset[tuple[str, Any]]
Case = tuple[str, Row]

#: Options of a head beside the published defaults; None stands for the default.
OPTIONS: dict[str, dict[str, list[Any]]] = {
    "ec": {"late": [None, True]},
    "sc": {},
    "hp": {
        "aggregation": [None, "add", "mean"],
        "network": [None, False],
        "per_side": [None, True],
        "side_pooling": [None, "max", "multihead"],
    },
    "pad": {
        "separate_directions": [None, True],
        "network": [None, False],
        "heads": [None, 4],
        "network_width": [None, 16],
    },
}


def factors_of(head: str) -> dict[str, list[Any]]:
    """Return what can be chosen for a head, each with its values; of equally good ones the first is taken."""
    per_side = {} if head == "sc" else {"mixer_per_side": [None, True]}
    common = {"symmetric": [None, True], "lengths": [None, True]}
    quickest_first = sorted(MIXERS, key="none".__ne__)
    return {"mixer": quickest_first, "pooling": list(POOLINGS), **common, **per_side, **OPTIONS[head]}


def pairs_to_meet(head: str) -> list[Pair]:
    """Return all pairs of values of different factors that a head has to meet.

    A mixer and a pooling meet only through the rows ``(T, D)``, so that each such pair is met by one head.
    """
    factors, found = factors_of(head), list[Pair]()
    for one, other in combinations(factors, 2):
        pairs = [
            frozenset({(one, first), (other, second)})
            for first, second in product(factors[one], factors[other])
        ]
        share = slice(list(HEADS).index(head), None, len(HEADS))
        found += pairs[share] if (one, other) == ("mixer", "pooling") else pairs
    return found


def met_by(row: Row) -> set[Pair]:
    return {frozenset(pair) for pair in combinations(row.items(), 2)}


def covering(head: str) -> Iterator[Row]:
    """Yield rows of values in which all pairs of a head occur.

    Each row begins with a pair that has not occurred; each further value is the one that adds most pairs.
    """
    left = pairs_to_meet(head)
    while left:
        row: Row = dict(sorted(left[0]))
        for name, values in factors_of(head).items():
            if name not in row:
                row[name] = max(values, key=lambda value: len(met_by(row | {name: value}) & set(left)))
        yield {name: row[name] for name in factors_of(head)}
        left = [pair for pair in left if pair not in met_by(row)]


def cheapest(cases: list[Case]) -> list[Case]:
    """Return cases that hold every mixer, pooling and option of each head and are quick to train."""
    left = {(name, value) for name, row in cases for value in row.items()}

    def worth(case: Case) -> float:
        name, row = case
        cost = (1 if row["mixer"] == "none" else 4) * (2 if row.get("symmetric") else 1)
        return len(left.intersection((name, value) for value in row.items())) / cost

    chosen = []
    while left:
        best = max(cases, key=worth)
        left -= {(best[0], value) for value in best[1].items()}
        chosen.append(best)
    return chosen


PUBLISHED: list[Case] = [
    (name, {"mixer": mixer, "pooling": "attention"}) for name, mixer in product(HEADS, MIXERS)
]
EVERY_CASE: list[Case] = PUBLISHED + [(name, row) for name in HEADS for row in covering(name)]
#: Without a mixer, the largest descriptors of whole sequences are the same in all of them.
TRAINED = cheapest([case for case in EVERY_CASE if (case[1]["mixer"], case[1]["pooling"]) != ("none", "max")])


def label(case: Case) -> str:
    name, row = case
    chosen = [f"{key}={value}" for key, value in list(row.items())[2:] if value is not None]
    return "-".join([name, row["mixer"], row["pooling"], *chosen])


def build(case: Case) -> Head:
    torch.manual_seed(0)
    name, row = case
    options = {key: value for key, value in row.items() if value is not None}
    if row["pooling"] == "layers":
        options["pooling_options"] = {"layers": 2}
    return build_head(name, 48, **options).eval()


@pytest.fixture(params=EVERY_CASE, ids=label)
def head(request: pytest.FixtureRequest) -> Head:
    return build(request.param)


@cache
def edge_cases() -> list[Complex]:
    """One residue, one chain, ten chains, a homomer, and a few ordinary ones."""
    random = np.random.default_rng(0)
    homomer = random_chain(random, 30)
    return [
        Complex("one residue", ("K",), ("E",)),
        random_complex(random, "ordinary"),
        random_complex(random, "ten chains", ligand=4, receptor=6),
        Complex("homomer", (homomer, homomer), (homomer,)),
        random_complex(random, "antibody", ligand=2),
    ]


@pytest.fixture
def complexes() -> list[Complex]:
    return edge_cases()


@cache
def embedded(complexes: tuple[Complex, ...], unit: str, both_orders: bool) -> RaggedBatch:
    return batch_of(ResidueBackbone(), list(complexes), unit, both_orders)


def batch_for(head: Head, complexes: list[Complex]) -> RaggedBatch:
    return embedded(tuple(complexes), head.encoding_unit, head.both_orders)


def predict(head: Head, complexes: list[Complex]) -> torch.Tensor:
    with torch.no_grad():
        return head(batch_for(head, complexes))


def test_the_cases_hold_every_pair() -> None:
    for cases in (EVERY_CASE, TRAINED):
        assert {(name, row["mixer"]) for name, row in cases} == set(product(HEADS, MIXERS))
        assert {(name, row["pooling"]) for name, row in cases} == set(product(HEADS, POOLINGS))
    met = {(row["mixer"], row["pooling"]) for _, row in EVERY_CASE}
    assert met == set(product(MIXERS, POOLINGS))
    for head in HEADS:
        assert set(pairs_to_meet(head)) <= set().union(
            *(met_by(row) for name, row in EVERY_CASE if name == head)
        )


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
    head = build_head(name, 48, heteroscedastic=True, **options).eval()
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
    head = build_head(name, 48, heteroscedastic=True).eval()
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
def test_one_output_unless_two_are_requested(name: str, complexes: list[Complex]) -> None:
    head = build_head(name, 48, "none", "mean").eval()
    outputs = head.all_outputs(batch_for(head, complexes))
    assert outputs.shape == (len(complexes), head.outputs) == (5, 1)
    assert torch.equal(head(batch_for(head, complexes)), outputs[:, 0])


def mostly_slow(values: list[Any], every: int) -> list[Any]:
    """Leave the first of `every` values to the quick tests, and the others to the slow ones."""
    return [
        value if number % every == 0 else pytest.param(value, marks=pytest.mark.slow)
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize("case", mostly_slow(TRAINED, 3), ids=label)
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
    if head.encoding_unit == "chain":
        return False
    return not head.mixer.order_sensitive and not head.pooling.order_sensitive


def test_heads_refuse_a_complex_without_a_side() -> None:
    batch = RaggedBatch.from_units(torch.zeros(3, 48), [3], [0], [0])
    with pytest.raises(ValueError, match="receptor"):
        build_head("hp", 48)(batch)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "hp",
            {"mixer": "transformer"},
            "no mixer 'transformer'; choose one of convbert, attention, mixture, none",
        ),
        ("hp", {"pooling": "atention"}, "no pooling 'atention'; .*; did you mean attention?"),
        ("ec", {"heteroskedastic": True}, "no option 'heteroskedastic'; .*; did you mean heteroscedastic?"),
        ("hp", {"pooling": "sum"}, "no pooling 'sum'; choose one of attention, mean"),
        ("ec", {"network": True}, "head ec has no option 'network'; its options: heteroscedastic, late,"),
        ("hp", {"lengths": "maybe"}, "lengths of head hp is 'maybe'; it must be true or false"),
        ("pad", {"heads": 0}, "heads of head pad is 0; it must be a whole number of at least 1"),
        ("pad", {"network_width": -3}, "is -3; it must be a whole number of at least 1 or none"),
        ("pad", {"heads": 2.5}, "heads of head pad is 2.5; it must be a whole number"),
        ("pad", {"heads": True}, "heads of head pad is True; it must be a whole number"),
        ("pad", {"heads": 7}, "width 48 is not a multiple of 7 attention heads"),
        ("ec", {"mixer_options": {"head_ratio": 0}}, "head_ratio of mixer convbert is 0; it must be a whole"),
        ("ec", {"mixer_options": {"kernel": 67}}, "the kernel 67 odd and at most 65"),
        (
            "ec",
            {"mixer_options": {"attention_dropout": 1.5}},
            "is 1.5; it must be a number of at least 0",
        ),
        (
            "ec",
            {"pooling": "gated", "pooling_options": {"hidden": 0}},
            "hidden of pooling gated is 0",
        ),
        (
            "ec",
            {"pooling": "token-aware", "pooling_options": {"dilations": [0]}},
            r"is \[0\]; it must be a list, each item a whole number of at least 1",
        ),
        (
            "ec",
            {"pooling": "layers", "pooling_options": {"layers": 2, "queries": 0}},
            "queries of pooling layers is 0; it must be a whole number",
        ),
        ("ec", {"pooling": "layers"}, "pooling layers needs the option layers: a whole number of at least 1"),
        ("ec", {"pooling": "layers", "pooling_options": {"layers": 5}}, "there are 5 in a width of 48"),
        ("ec", {"pooling": "mean", "pooling_options": {"heads": 3}}, "no option 'heads'; its options: none"),
        ("sc", {"mixer_per_side": True}, "sc reads both sides as one sequence"),
        (
            "hp",
            {"aggregation": "max"},
            "aggregation of head hp is 'max'; it must be one of concat, add",
        ),
        ("hp", {"side_pooling": "sum"}, "no pooling 'sum'"),
        ("hp", {"side_pooling_options": {"heads": 3}}, "pooling attention has no option 'heads'"),
        ("ec", {"side_pooling": "max"}, "head ec has no option 'side_pooling'"),
        ("pad", {"backend": "triton"}, "head pad has no option 'backend'"),
    ],
)
def test_unfit_names_and_options(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_head(name, 48, **options)


def test_the_pooling_of_a_side_has_options_of_its_own() -> None:
    own = {"side_pooling": "multihead", "side_pooling_options": {"heads": 5}}
    head = build_head("hp", 48, "none", "multihead", pooling_options={"heads": 3}, lengths=True, **own)
    assert head.chain_pooling.pooling.score.weight.shape == (3, 48)
    assert head.side_pooling.score.weight.shape == (5, 49)
    plain = build_head("hp", 48, "none", "multihead", pooling_options={"heads": 3})
    assert plain.side_pooling.score.weight.shape == (8, 48)
    for pooling, options in (("token-aware", {}), ("layers", {"layers": 2})):
        chosen = build_head("hp", 48, "none", pooling, pooling_options=options).side_pooling
        assert type(chosen).__name__ == "AttentionPooling"


def test_mixer_options_reach_the_mixer() -> None:
    head = build_head("ec", 48, mixer_options={"kernel": 5, "dropout": 0.0})
    assert (head.mixer.kernel, head.mixer.dropout.probability) == (5, 0.0)


def test_softmax_of_extreme_scores_is_finite() -> None:
    scores = torch.tensor([[1e4, -1e4, 3.0, -1e4]]).T
    weights = segment_softmax(scores, Segments.from_lengths([3, 1]))
    assert torch.allclose(weights, torch.tensor([[1.0, 0, 0, 1]]).T)


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


@pytest.mark.parametrize(
    "parts", mostly_slow([("hp", "attention"), *((name, "convbert") for name in HEADS)], 5), ids="-".join
)
def test_compiled_gives_the_same(parts: tuple[str, str], complexes: list[Complex]) -> None:
    name, mixer = parts
    torch.manual_seed(0)
    head = build_head(name, 48, mixer).eval()
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
        assert (exact - rounded).norm() < 0.2 * exact.norm()


@pytest.mark.parametrize("case", TRAINED, ids=label)
def test_a_step_asks_the_device_nothing(case: Case, complexes: list[Complex]) -> None:
    """On the device "meta" there is no number to ask for."""
    head = build(case)
    batch = batch_for(head, complexes).to("meta")
    outputs = head.to("meta").all_outputs(batch.filled(64))
    outputs.sum().backward()
    assert outputs.shape == (len(complexes) + 1, 1)


def test_a_complex_of_zeros_fills_a_batch_up(head: Head, complexes: list[Complex]) -> None:
    batch = batch_for(head, complexes)
    with torch.no_grad():
        expected = head(batch)
        for multiple in (1, 2, 64):
            filled = batch.filled(multiple)
            assert filled.values.shape[0] % multiple == 0
            assert 0 < filled.values.shape[0] - batch.values.shape[0] < multiple + 2
            assert len(filled) == len(batch) + 1
            torch.testing.assert_close(head(filled)[:-1], expected, atol=1e-5, rtol=1e-5)
