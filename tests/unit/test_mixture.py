"""The mixture of mixers: weights, choice of experts, load balance, and against a loop over segments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from heads.build import build_mixer
from heads.mixers.mixture import MixtureMixer
from heads.ragged import Segments

LENGTHS = [5, 1, 12, 3]
DIM = 16


def mixture(**options: Any) -> MixtureMixer:
    torch.manual_seed(0)
    given = {"expert": "attention", "expert_options": {"heads": 2}, "experts": 3, **options}
    made = build_mixer("mixture", DIM, given)
    assert isinstance(made, MixtureMixer)
    return made.double().eval()


def rows() -> torch.Tensor:
    return torch.randn(sum(LENGTHS), DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def dense(made: MixtureMixer, values: torch.Tensor, top_k: int) -> torch.Tensor:
    """Compute each segment alone, with weights written out."""
    parts = []
    for part in values.split(LENGTHS):
        alone = Segments.from_lengths([len(part)])
        outputs = torch.stack([expert(part, alone) for expert in made.experts])
        read = part.mean(0, keepdim=True).expand_as(part) if made.route == "segment" else part
        centred = read - read.mean(1, keepdim=True)
        normed = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        weights = (normed @ made.router.weight.T + made.router.bias).exp()
        least = weights.sort(dim=1, descending=True).values[:, top_k - 1 : top_k]
        weights = torch.where(weights >= least, weights, 0)
        parts.append(torch.einsum("te,etd->td", weights / weights.sum(1, keepdim=True), outputs))
    return torch.cat(parts)


@pytest.mark.parametrize("route", ["segment", "residue"])
@pytest.mark.parametrize("top_k", [None, 2])
def test_it_is_the_weighted_sum_of_its_experts(route: str, top_k: int | None) -> None:
    made = mixture(route=route, top_k=top_k)
    with torch.no_grad():
        found = made(rows(), Segments.from_lengths(LENGTHS))
        torch.testing.assert_close(found, dense(made, rows(), top_k or 3))


def test_a_segment_has_one_choice_and_a_residue_its_own() -> None:
    for route, count in (("segment", len(LENGTHS)), ("residue", sum(LENGTHS))):
        gates, probabilities = mixture(route=route, top_k=2).gates(rows(), Segments.from_lengths(LENGTHS))
        assert gates.shape == probabilities.shape == (count, 3)
        torch.testing.assert_close(gates.sum(1), torch.ones(count, dtype=torch.float64))
        assert ((gates > 0).sum(1) == 2).all()


def test_the_router_learns_also_where_few_experts_count() -> None:
    made = mixture(top_k=2)
    made(rows(), Segments.from_lengths(LENGTHS)).square().sum().backward()
    assert made.router.weight.grad is not None
    assert made.router.weight.grad.abs().max() > 1e-3


def test_an_even_load_costs_the_weight_of_the_loss_and_an_uneven_one_more() -> None:
    made = mixture(top_k=2, balance=0.5).train()
    assert made.auxiliary_loss() is None
    with torch.no_grad():
        made.router.weight.zero_()
        made.router.bias.copy_(torch.tensor([5.0, 5.0, -5.0]))
    made(rows(), Segments.from_lengths(LENGTHS))
    loss = made.auxiliary_loss()
    assert loss is not None
    assert float(loss.detach()) == pytest.approx(0.5 * 3 * 2 * 0.25, rel=1e-3)
    made = mixture(balance=0.5).train()
    with torch.no_grad():
        made.router.weight.zero_()
        made.router.bias.zero_()
    made(rows(), Segments.from_lengths(LENGTHS))
    assert float(made.auxiliary_loss().detach()) == pytest.approx(0.5)
    made.eval()(rows(), Segments.from_lengths(LENGTHS))
    assert made.auxiliary_loss() is None


def test_it_depends_on_the_order_if_an_expert_does() -> None:
    assert not mixture().order_sensitive
    assert mixture(expert_options={"heads": 2, "rotary": True}).order_sensitive
    assert mixture(expert="convbert", expert_options={"heads": 2}).order_sensitive


def test_equal_experts_are_one_mixer() -> None:
    made = mixture()
    for expert in list(made.experts)[1:]:
        expert.load_state_dict(made.experts[0].state_dict())
    segments = Segments.from_lengths(LENGTHS)
    torch.testing.assert_close(made(rows(), segments), made.experts[0](rows(), segments))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 4}, "top_k is 4, more than the 3 experts"),
        ({"top_k": 1}, "top_k"),
        ({"experts": 0}, "experts"),
        ({"route": "chain"}, "route"),
        ({"expert": "lstm"}, "there is no mixer 'lstm'"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mixture(**options)


def test_gates_in_low_precision_are_computed_in_float32() -> None:
    made = mixture().bfloat16()
    gates, _ = made.gates(rows().bfloat16(), Segments.from_lengths(LENGTHS))
    assert gates.dtype == torch.float32
    assert made(rows().bfloat16(), Segments.from_lengths(LENGTHS)).dtype == torch.bfloat16
    np.testing.assert_allclose(gates.detach().sum(1), 1, atol=1e-6)
