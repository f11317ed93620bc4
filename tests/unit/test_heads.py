"""What every head x mixer x pooling must hold, with the residue backbone."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from conftest import batch_of, random_chain, random_complex
from torch.nn.functional import scaled_dot_product_attention

from heads.base import Head
from heads.ragged import RaggedBatch, segment_softmax
from heads.registry import HEADS, MIXERS, POOLINGS, build_head
from ppi.backbones.residue import ResidueBackbone
from ppi.complexes import Complex

EVERY_HEAD = list(product(HEADS, MIXERS, POOLINGS))


@pytest.fixture(params=EVERY_HEAD, ids="-".join)
def head(request: pytest.FixtureRequest) -> Head:
    torch.manual_seed(0)
    name, mixer, pooling = request.param
    return build_head(name, 48, mixer, pooling).eval()


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


def predict(head: Head, complexes: list[Complex]) -> torch.Tensor:
    with torch.no_grad():
        return head(batch_of(ResidueBackbone(), complexes, head.encoding_unit))


def test_prediction_does_not_depend_on_the_batch(head: Head, complexes: list[Complex]) -> None:
    alone = torch.cat([predict(head, [item]) for item in complexes])
    assert torch.allclose(predict(head, complexes), alone, atol=1e-5)
    assert torch.allclose(predict(head, complexes[::-1]), alone.flip(0), atol=1e-5)
    assert alone.std() > 1e-4  # the complexes are told apart, so equality above means something


def test_gradients_reach_every_parameter(head: Head, complexes: list[Complex]) -> None:
    head(batch_of(ResidueBackbone(), complexes, head.encoding_unit)).square().sum().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        if name != "mixer.key.bias":  # a shift of all keys leaves every softmax unchanged
            assert parameter.grad.abs().sum() > 0, name


def test_overfits_eight_complexes(head: Head, random: np.random.Generator) -> None:
    complexes = [random_complex(random, str(index), ligand=1 + index % 2) for index in range(8)]
    target = torch.tensor([item.pkd for item in complexes])
    target = (target - target.mean()) / target.std()
    batch = batch_of(ResidueBackbone(), complexes, head.encoding_unit)
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
    without_order = head.encoding_unit == "complex" and not mixes(head)  # SC's pooling sees a bag
    assert same == (head.swap_invariant or without_order)


def test_chain_order_is_as_declared(head: Head, complexes: list[Complex]) -> None:
    reordered = [Complex(item.id, item.ligand[::-1], item.receptor[::-1]) for item in complexes]
    same = torch.allclose(predict(head, complexes), predict(head, reordered), atol=1e-5)
    assert same == (head.chain_order_invariant or not mixes(head))


def mixes(head: Head) -> bool:
    return any(True for _ in head.mixer.parameters())


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


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(ValueError, match="convbert, none"):
        build_head("hp", 48, "transformer")  # type: ignore[arg-type]


def test_softmax_of_extreme_scores_is_finite() -> None:
    weights = segment_softmax(torch.tensor([1e4, -1e4, 3.0, -1e4]), torch.tensor([0, 3, 4]))
    assert torch.allclose(weights, torch.tensor([1.0, 0, 0, 1]))


def test_each_side_attends_the_other_side_of_its_own_complex(complexes: list[Complex]) -> None:
    torch.manual_seed(0)
    head = build_head("pad", 48, "none").eval()
    backbone = ResidueBackbone()

    def attend(query: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        def split(linear: torch.nn.Linear, values: torch.Tensor) -> torch.Tensor:
            return linear(values).view(1, len(values), 8, 6).transpose(1, 2)

        found = scaled_dot_product_attention(
            split(head.query, query), split(head.key, other), split(head.value, other)
        )
        return query + head.out(found.transpose(1, 2).reshape(len(query), 48))

    def pool(values: torch.Tensor) -> torch.Tensor:
        return values.T @ torch.softmax(head.pooling.score(values).squeeze(1), 0)

    expected = []
    with torch.no_grad():
        for item in complexes:
            ligand, receptor = backbone.embed([item.ligand]), backbone.embed([item.receptor])
            joined = pool(attend(ligand, receptor)) + pool(attend(receptor, ligand))
            expected.append(head.regressor(head.network(joined)))
    assert torch.allclose(predict(head, complexes), torch.cat(expected), atol=1e-5)
