"""Dropout by the byte, and attention by plain products: against what torch gives."""

from __future__ import annotations

import pytest
import torch

from heads.dropout import Dropout


def test_dropout_keeps_the_mean_and_drops_its_share() -> None:
    torch.manual_seed(0)
    values = torch.ones(1000, 100, requires_grad=True)
    dropped = Dropout(0.2)(values)
    assert (dropped == 0).float().mean().item() == pytest.approx(0.2, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())


def test_dropout_does_nothing_in_evaluation_and_at_zero() -> None:
    values = torch.randn(7, 3)
    assert Dropout(0.5).eval()(values) is values
    assert Dropout(0.0)(values) is values


@pytest.mark.parametrize("probability", [-0.1, 1.0, 1.5])
def test_unfit_probabilities(probability: float) -> None:
    with pytest.raises(ValueError, match="from 0 to below 1"):
        Dropout(probability)
