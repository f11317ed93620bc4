"""Losses of an effective batch: against loops and closed forms, at every batch size, and their gradients."""

from __future__ import annotations

import math
from itertools import permutations
from typing import get_args

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from heads.base import LOG_VARIANCES
from ppi.training.loss_names import LabelLoss
from ppi.training.losses import (
    BETA,
    LOSSES,
    MARGIN,
    RANKING,
    gaussian,
    huber,
    listmle,
    margin,
    mse,
    total_loss,
)

#: With two ties and a complex far away, which Huber's loss takes linearly.
TARGET = torch.tensor([0.3, -1.2, 0.3, 4.5, 0.0, -1.2, -1.2], dtype=torch.float64)
POINTWISE = sorted(set(LOSSES) - RANKING)
EVERY_LOSS = pytest.mark.parametrize("name", LOSSES)


def case(complexes: int = len(TARGET)) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs, of which a gradient is wanted, targets and weights in float64."""
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(complexes, 2, generator=generator, dtype=torch.float64)
    weight = 0.2 + torch.rand(complexes, generator=generator, dtype=torch.float64)
    return outputs.requires_grad_(), TARGET[:complexes], weight


def gradient(name: LabelLoss, outputs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(LOSSES[name](outputs, target, weight), outputs)
    return found


def order_loss(score: list[float], order: tuple[int, ...], weight: list[float]) -> float:
    """Negative log-likelihood of one order without ties, by its definition."""
    total = 0.0
    for place, index in enumerate(order):
        left = sum(math.exp(score[other]) for other in order[place:])
        total += weight[index] * (math.log(left) - score[index])
    return total / sum(weight)


def test_the_registry_has_every_name() -> None:
    assert tuple(LOSSES) == get_args(LabelLoss)
    assert frozenset({"listmle", "margin"}) == RANKING


def test_squared_and_huber_loss_are_those_of_torch() -> None:
    outputs, target, weight = case()
    for found, loss in ((mse, torch.nn.MSELoss), (huber, torch.nn.HuberLoss)):
        each = loss(reduction="none")(outputs[:, 0], target)
        assert torch.isclose(found(outputs, target, weight), (each * weight).sum() / weight.sum())
        assert torch.isclose(found(outputs, target, torch.full_like(weight, 3.0)), each.mean())


def test_gaussian_without_beta_is_the_likelihood_of_torch() -> None:
    outputs, target, _ = case()
    expected = torch.nn.GaussianNLLLoss()(outputs[:, 0], target, outputs[:, 1].exp())
    assert torch.isclose(gaussian(outputs, target, torch.ones(len(target)), beta=0.0), expected)


def test_beta_weights_each_complex_by_its_variance_without_a_gradient() -> None:
    outputs, target, weight = case()
    score, log_variance = outputs.detach().unbind(1)
    scale = weight / weight.sum() * log_variance.exp() ** BETA
    error = score - target
    by_score = scale * error / log_variance.exp()
    by_log_variance = scale * (1 - error**2 / log_variance.exp()) / 2
    expected = torch.stack([by_score, by_log_variance], dim=1)
    assert torch.allclose(gradient("gaussian", outputs, target, weight), expected)
    (squared,) = torch.autograd.grad(gaussian(outputs, target, weight, beta=1.0), outputs)
    assert torch.allclose(squared[:, 0], gradient("mse", outputs, target, weight)[:, 0] / 2)


@pytest.mark.parametrize(("given", "sign"), [(-1e6, -1.0), (LOG_VARIANCES[0] - 1, -1.0), (1e6, 1.0)])
def test_a_log_variance_out_of_range_finds_back(given: float, sign: float) -> None:
    for error in (0.0, 1.0, 1e6):
        outputs = torch.tensor([[error, given]], requires_grad=True)
        loss = gaussian(outputs, torch.zeros(1), torch.ones(1))
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(outputs.grad).all()
        assert outputs.grad[0, 1] == sign


def test_gaussian_needs_two_outputs() -> None:
    with pytest.raises(ValueError, match="needs 2 outputs .* there is 1; use a heteroscedastic head"):
        total_loss({"mse": 1.0, "gaussian": 1.0}, torch.zeros(3, 1), torch.zeros(3), torch.ones(3))


def test_listmle_is_the_likelihood_of_the_measured_order() -> None:
    outputs, _, weight = case()
    target = torch.tensor([0.1, 3.0, -2.0, 1.5, 0.0, 7.0, -0.3], dtype=torch.float64)
    order = tuple(sorted(range(7), key=lambda index: -target[index]))
    expected = order_loss(outputs[:, 0].tolist(), order, weight.tolist())
    assert listmle(outputs, target, weight).item() == pytest.approx(expected, rel=1e-12)


def test_listmle_of_equally_scored_ties_is_the_mean_over_their_orders() -> None:
    score, target, weight = [0.7, -0.4, 0.7, 0.7, 1.1], [2.0, -1.0, 2.0, 2.0, 0.5], [0.5, 1.0, 2.0, 0.8, 1.5]
    losses = [order_loss(score, (*ties, 4, 1), weight) for ties in permutations((0, 2, 3))]
    outputs = torch.tensor([score], dtype=torch.float64).T
    found = listmle(outputs, torch.tensor(target), torch.tensor(weight, dtype=torch.float64))
    assert found.item() == pytest.approx(sum(losses) / 6, rel=1e-12)


def test_listmle_of_ties_is_that_of_efron() -> None:
    outputs, target, weight = case()
    score, total = outputs[:, 0].tolist(), 0.0
    for label in set(target.tolist()):
        ties = [index for index in range(7) if target[index] == label]
        of_ties = sum(math.exp(score[index]) for index in ties)
        below = sum(math.exp(score[index]) for index in range(7) if target[index] < label)
        for place, index in enumerate(ties):
            left = math.log(below + of_ties * (1 - place / len(ties)))
            total += weight[ties].mean().item() * left - weight[index].item() * score[index]
    expected = total / weight.sum().item()
    assert listmle(outputs, target, weight).item() == pytest.approx(expected, rel=1e-12)


def test_listmle_learns_the_order_and_keeps_ties_together() -> None:
    outputs = torch.zeros(3, 1)
    found = gradient("listmle", outputs.requires_grad_(), torch.tensor([1.0, 0.0, 1.0]), torch.ones(3))
    assert found[0] == found[2]
    assert found[0] < 0 < found[1]


def test_margin_is_that_of_torch_over_all_pairs() -> None:
    outputs, target, weight = case()
    score, losses, weights = outputs[:, 0], [], []
    for stronger in range(7):
        for weaker in range(7):
            if target[stronger] > target[weaker]:
                pair = torch.nn.functional.margin_ranking_loss(
                    score[stronger], score[weaker], torch.ones(()), margin=MARGIN
                )
                losses.append(pair.item())
                weights.append((weight[stronger] * weight[weaker]).item())
    assert len(losses) == 21 - 1 - 3
    expected = sum(loss * w for loss, w in zip(losses, weights, strict=True)) / sum(weights)
    assert margin(outputs, target, weight).item() == pytest.approx(expected, rel=1e-12)


def test_margin_is_zero_where_pairs_are_far_enough_apart() -> None:
    target = torch.tensor([0.0, 1.0, 2.0])
    ones = torch.ones(3)
    assert margin(torch.tensor([[0.0], [0.11], [0.22]]), target, ones) == 0
    assert margin(torch.tensor([[0.0], [0.09], [0.22]]), target, ones) == pytest.approx(0.01 / 3, rel=1e-5)


@EVERY_LOSS
def test_gradients_are_those_of_finite_differences(name: LabelLoss) -> None:
    outputs, target, weight = case()
    options = {"beta": 0.0} if name == "gaussian" else {}  # its factor has no gradient on purpose
    assert gradcheck(lambda given: LOSSES[name](given, target, weight, **options), (outputs,))


@EVERY_LOSS
def test_order_and_scale_of_the_weights_do_not_matter(name: LabelLoss) -> None:
    outputs, target, weight = case()
    loss = LOSSES[name](outputs, target, weight)
    order = torch.randperm(len(target), generator=torch.Generator().manual_seed(1))
    assert torch.isclose(LOSSES[name](outputs[order], target[order], weight[order]), loss)
    assert torch.isclose(LOSSES[name](outputs, target, 5 * weight), loss)
    assert not torch.isclose(LOSSES[name](outputs, target, weight[order]), loss)  # the weights count


@pytest.mark.parametrize("name", POINTWISE)
def test_a_weight_is_a_number_of_copies_and_pieces_add_up(name: LabelLoss) -> None:
    outputs, target, _ = case()
    copies = torch.tensor([1, 2, 1, 3, 1, 1, 2])
    rows = torch.repeat_interleave(copies)
    loss = LOSSES[name](outputs, target, copies.double())
    assert torch.isclose(LOSSES[name](outputs[rows], target[rows], torch.ones(len(rows))), loss)
    pieces = [
        copies[part].sum() / copies.sum() * LOSSES[name](outputs[part], target[part], copies[part].double())
        for part in (slice(0, 3), slice(3, 4), slice(4, 7))
    ]
    assert torch.isclose(torch.stack(pieces).sum(), loss)


@EVERY_LOSS
def test_one_complex_and_equal_labels(name: LabelLoss) -> None:
    for complexes, label in ((1, 0.3), (4, 0.3)):
        outputs = torch.full((complexes, 2), 0.7, requires_grad=True)
        loss = LOSSES[name](outputs, torch.full((complexes,), label), torch.full((complexes,), 0.3))
        loss.backward()
        assert loss.shape == ()
        assert torch.isfinite(outputs.grad).all()
        if name in RANKING and (complexes == 1 or name == "margin"):
            assert loss.item() == 0
            assert not outputs.grad.any()
        elif name in POINTWISE:
            assert loss > 0
            assert outputs.grad[:, 0].all()


@EVERY_LOSS
@pytest.mark.parametrize("scale", [1e4, 1e8])
def test_extreme_scores_are_finite(name: LabelLoss, scale: float) -> None:
    target = torch.tensor([1.0, 0.0, -1.0, 0.0, 2.0])
    outputs = scale * torch.tensor([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0], [-1.0, 0.0]])
    for given in (outputs, -outputs, outputs + scale):
        leaf = given.clone().requires_grad_()
        loss = LOSSES[name](leaf, target, torch.ones(5))
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(leaf.grad).all()


def test_extreme_scores_in_the_right_order_cost_nothing() -> None:
    target = torch.tensor([1.0, 0.0, 2.0])
    assert listmle(torch.tensor([[0.0], [-1e4], [1e4]]), target, torch.ones(3)) == 0
    assert listmle(torch.tensor([[0.0], [1e4], [-1e4]]), target, torch.ones(3)) == pytest.approx(1e4)


@EVERY_LOSS
def test_a_loss_does_not_grow_with_the_batch(name: LabelLoss) -> None:
    """Ten copies of a batch: places of a list are harder to guess, but only as the logarithm."""
    outputs, target, weight = case()
    once = LOSSES[name](outputs, target, weight)
    tenfold = LOSSES[name](outputs.repeat(10, 1), target.repeat(10), weight.repeat(10))
    if name == "listmle":
        assert (tenfold - once).item() == pytest.approx(math.log(10), abs=0.5)
    else:
        assert torch.isclose(tenfold, once)


def test_total_loss_is_the_weighted_sum() -> None:
    outputs, target, weight = case()
    factors: dict[LabelLoss, float] = {"gaussian": 0.5, "listmle": 2.0, "margin": 3.0}
    expected = sum(factor * LOSSES[name](outputs, target, weight) for name, factor in factors.items())
    found = total_loss(factors, outputs, target, weight)
    assert torch.isclose(found, expected)
    assert found.shape == ()
    assert total_loss({"mse": 1.0}, outputs, target, weight) == mse(outputs, target, weight)
