"""Poolings: against plain loops over segments, and what their weights say."""

from __future__ import annotations

import pytest
import torch

from heads.attention_pooling import TokenAwarePooling
from heads.layer_pooling import LayerPooling
from heads.pooling import Pooling, PoolingWithLength
from heads.registry import POOLINGS, find

LENGTHS = [1, 7, 30, 2]
OFFSETS = torch.tensor([0, *LENGTHS]).cumsum(0)


def make(name: str, dim: int = 16) -> Pooling:
    torch.manual_seed(0)
    options = {"layers": 2} if name == "layers" else {}
    pooling: Pooling = find(POOLINGS, name)(dim, **options)
    return pooling.double()


@pytest.fixture
def values() -> torch.Tensor:
    return torch.randn(sum(LENGTHS), 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", POOLINGS)
def test_segments_are_pooled_apart(name: str, values: torch.Tensor) -> None:
    pooling = make(name)
    pooled = pooling(values, OFFSETS)
    assert pooled.shape == (len(LENGTHS), pooling.dim)
    for segment, expected in zip(values.split(LENGTHS), pooled, strict=True):
        alone = pooling(segment, torch.tensor([0, len(segment)]))
        assert torch.allclose(alone[0], expected)


@pytest.mark.parametrize("name", POOLINGS)
def test_weights_sum_to_one(name: str, values: torch.Tensor) -> None:
    weights = make(name).weights(values, OFFSETS)
    assert weights.shape == (len(values),)
    assert (weights >= 0).all()
    for segment in weights.split(LENGTHS):
        assert segment.sum().item() == pytest.approx(1)


def test_formulas(values: torch.Tensor) -> None:
    segments = values.split(LENGTHS)
    expected = {
        "mean": [segment.mean(0) for segment in segments],
        "max": [segment.amax(0) for segment in segments],
    }
    gate = make("sigmoid").score
    gates = [torch.sigmoid(gate(segment)) for segment in segments]
    expected["sigmoid"] = [(g * s).sum(0) / g.sum() for g, s in zip(gates, segments, strict=True)]
    score = make("attention").score
    expected["attention"] = [(score(segment).softmax(0) * segment).sum(0) for segment in segments]
    heads = make("multihead").score
    expected["multihead"] = [
        torch.einsum("th,the->he", heads(s).softmax(0), s.unflatten(1, (8, 2))).flatten() for s in segments
    ]
    gated = make("gated")
    expected["gated"] = [
        (gated.score(gated.content(s).tanh() * gated.gate(s).sigmoid()).softmax(0) * s).sum(0)
        for s in segments
    ]
    for name, rows in expected.items():
        assert torch.allclose(make(name)(values, OFFSETS), torch.stack(rows)), name


def test_token_aware_rows_average_what_their_segment_has(values: torch.Tensor) -> None:
    pooling = make("token-aware")
    assert isinstance(pooling, TokenAwarePooling)
    found = pooling.averaged(values, OFFSETS).split(LENGTHS)
    for segment, rows in zip(values.split(LENGTHS), found, strict=True):
        for place, row in enumerate(rows):
            parts = pooling.choice(segment[place]).softmax(0)
            near = [[place]] + [
                [p for p in (place - d, place, place + d) if 0 <= p < len(segment)] for d in pooling.dilations
            ]
            expected = sum(part * segment[places].mean(0) for part, places in zip(parts, near, strict=True))
            assert torch.allclose(row, expected)


def test_layers_are_attended_by_the_queries(values: torch.Tensor) -> None:
    pooling = make("layers")
    assert isinstance(pooling, LayerPooling)
    with torch.no_grad():
        pooling.place += torch.randn_like(pooling.place)
    for segment, found in zip(values.split(LENGTHS), pooling(values, OFFSETS), strict=True):
        one = torch.tensor([0, len(segment)])
        layers = torch.cat([pooling.pooling(half, one) for half in segment.chunk(2, dim=1)]) + pooling.place
        scores = pooling.query @ pooling.key(pooling.norm(layers)).T / 8**0.5
        expected = layers.mean(0) + scores.softmax(1).mean(0) @ pooling.value(layers)
        assert torch.allclose(found, expected)


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("scale", [1e4, 1e-4])
def test_extreme_values_give_finite_gradients(name: str, scale: float, values: torch.Tensor) -> None:
    pooling = make(name)
    extreme = (values * scale).requires_grad_()
    pooling(extreme, OFFSETS).sum().backward()
    assert torch.isfinite(extreme.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in pooling.parameters())


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("lengths", [[5000], [1] * 1000, [3] * 1000])
def test_long_and_tiny_segments(name: str, lengths: list[int]) -> None:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    rows = torch.randn(sum(lengths), 16, dtype=torch.float64)
    pooled = make(name)(rows, offsets)
    assert pooled.shape[0] == len(lengths)
    assert torch.isfinite(pooled).all()


def test_rows_need_not_be_contiguous(values: torch.Tensor) -> None:
    wide = torch.cat([values, values], dim=1)[:, ::2].T.contiguous().T
    for name in POOLINGS:
        pooling = make(name)
        assert torch.allclose(pooling(wide, OFFSETS), pooling(wide.contiguous(), OFFSETS)), name


@pytest.mark.parametrize("name", POOLINGS)
def test_the_length_stands_beside_the_vector(name: str, values: torch.Tensor) -> None:
    inner = make(name)
    pooling = PoolingWithLength(inner)
    pooled = pooling(values, OFFSETS)
    assert pooled.shape == (len(LENGTHS), pooling.dim)
    assert torch.equal(pooled[:, :-1], inner(values, OFFSETS))
    assert torch.allclose(pooled[:, -1], (torch.tensor(LENGTHS).double() / 100).log())
    assert torch.equal(pooling.weights(values, OFFSETS), inner.weights(values, OFFSETS))
    assert pooling.ordered == inner.ordered
