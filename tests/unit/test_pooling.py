"""Poolings: against plain loops over segments, and what their weights say."""

from __future__ import annotations

import pytest
import torch

from heads.build import build_pooling
from heads.names import POOLINGS
from heads.poolings.base import Pooling, PoolingWithLength
from heads.poolings.layers import LayerPooling
from heads.poolings.token_aware import TokenAwarePooling
from heads.ragged import Segments

LENGTHS = [1, 7, 30, 2]
SEGMENTS = Segments.from_lengths(LENGTHS)


def make(name: str, dim: int = 16) -> Pooling:
    torch.manual_seed(0)
    options = {"layers": 2} if name == "layers" else {}
    return build_pooling(name, dim, options).double()


@pytest.fixture
def values() -> torch.Tensor:
    return torch.randn(sum(LENGTHS), 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", POOLINGS)
def test_segments_are_pooled_apart(name: str, values: torch.Tensor) -> None:
    pooling = make(name)
    pooled = pooling(values, SEGMENTS)
    assert pooled.shape == (len(LENGTHS), pooling.dim)
    for segment, expected in zip(values.split(LENGTHS), pooled, strict=True):
        alone = pooling(segment, Segments.from_lengths([len(segment)]))
        assert torch.allclose(alone[0], expected)


@pytest.mark.parametrize("name", POOLINGS)
def test_weights_sum_to_one(name: str, values: torch.Tensor) -> None:
    weights = make(name).weights(values, SEGMENTS)
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
        assert torch.allclose(make(name)(values, SEGMENTS), torch.stack(rows)), name


def test_token_aware_rows_average_what_their_segment_has(values: torch.Tensor) -> None:
    pooling = make("token-aware")
    assert isinstance(pooling, TokenAwarePooling)
    found = pooling.averaged(values, SEGMENTS).split(LENGTHS)
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
    for segment, found in zip(values.split(LENGTHS), pooling(values, SEGMENTS), strict=True):
        one = Segments.from_lengths([len(segment)])
        layers = torch.cat([pooling.pooling(half, one) for half in segment.chunk(2, dim=1)]) + pooling.place
        scores = pooling.query @ pooling.key(pooling.norm(layers)).T / 8**0.5
        expected = layers.mean(0) + scores.softmax(1).mean(0) @ pooling.value(layers)
        assert torch.allclose(found, expected)


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("scale", [1e4, 1e-4])
def test_extreme_values_give_finite_gradients(name: str, scale: float, values: torch.Tensor) -> None:
    pooling = make(name)
    extreme = (values * scale).requires_grad_()
    pooling(extreme, SEGMENTS).sum().backward()
    assert torch.isfinite(extreme.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in pooling.parameters())


@pytest.mark.parametrize("name", POOLINGS)
@pytest.mark.parametrize("lengths", [[5000], [1] * 1000, [3] * 1000])
def test_long_and_tiny_segments(name: str, lengths: list[int]) -> None:
    segments = Segments.from_lengths(lengths)
    rows = torch.randn(sum(lengths), 16, dtype=torch.float64)
    pooled = make(name)(rows, segments)
    assert pooled.shape[0] == len(lengths)
    assert torch.isfinite(pooled).all()


def test_rows_need_not_be_contiguous(values: torch.Tensor) -> None:
    wide = torch.cat([values, values], dim=1)[:, ::2].T.contiguous().T
    for name in POOLINGS:
        pooling = make(name)
        assert torch.allclose(pooling(wide, SEGMENTS), pooling(wide.contiguous(), SEGMENTS)), name


@pytest.mark.parametrize("name", POOLINGS)
def test_the_length_stands_beside_the_vector(name: str, values: torch.Tensor) -> None:
    inner = make(name)
    pooling = PoolingWithLength(inner)
    pooled = pooling(values, SEGMENTS)
    assert pooled.shape == (len(LENGTHS), pooling.dim)
    assert torch.equal(pooled[:, :-1], inner(values, SEGMENTS))
    assert torch.allclose(pooled[:, -1], (torch.tensor(LENGTHS).double() / 100).log())
    assert torch.equal(pooling.weights(values, SEGMENTS), inner.weights(values, SEGMENTS))
    assert pooling.order_sensitive == inner.order_sensitive


@pytest.mark.parametrize("dim", [8, 13, 17, 49])
def test_heads_share_out_any_width(dim: int) -> None:
    pooling = make("multihead", dim)
    rows = torch.randn(sum(LENGTHS), dim, dtype=torch.float64)
    wide = [dim // 8 + (head < dim % 8) for head in range(8)]
    for segment, found in zip(rows.split(LENGTHS), pooling(rows, SEGMENTS), strict=True):
        weights = pooling.score(segment).softmax(0).split(1, dim=1)
        parts = zip(weights, segment.split(wide, dim=1), strict=True)
        assert torch.allclose(found, torch.cat([(weight * part).sum(0) for weight, part in parts]))


def test_more_heads_than_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="8 pooling heads are more than the width of 7; choose at most 7"):
        make("multihead", 7)
