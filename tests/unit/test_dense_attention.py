"""Attention of dense blocks, and of runs of segments, against the formula written out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from heads.attention import by_length, ragged_attention
from heads.kernels.dense import attend_runs, dense_attention
from heads.ragged import Segments


def written_out(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    scores = query @ key.transpose(2, 3) * scale
    return (scores if bias is None else scores + bias).softmax(3) @ value


@pytest.mark.parametrize("lengths", [(9, 12), (32, 64), (1, 33)], ids=str)
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)])
def test_dense_attention_and_its_gradient(
    lengths: tuple[int, int], biased: bool, dtype: torch.dtype, error: float
) -> None:
    torch.manual_seed(0)
    queries, keys = lengths
    parts = [torch.randn(2, 3, length, 20).to(dtype).requires_grad_() for length in (queries, keys, keys)]
    if biased:
        parts.append(torch.randn(1, 3, queries, keys).to(dtype).requires_grad_())
    direction = torch.randn(2, 3, queries, 20).to(dtype)
    found = dense_attention(*parts[:3], bias=parts[3] if biased else None, scale=0.3)
    exact_parts = [part.detach().double().requires_grad_() for part in parts]
    exact = written_out(*exact_parts[:3], exact_parts[3] if biased else None, 0.3)
    assert found.dtype == dtype
    gradients = torch.autograd.grad(found, parts, direction)
    exact_gradients = torch.autograd.grad(exact, exact_parts, direction.double())
    for one, other in zip((found, *gradients), (exact, *exact_gradients), strict=True):
        assert one.shape == other.shape
        assert (one - other).norm() <= error * other.norm().clamp(min=1.0)


def test_a_bias_without_gradient_gets_none() -> None:
    parts = [torch.randn(1, 1, 5, 8).bfloat16().requires_grad_() for _ in range(3)]
    bias = torch.randn(1, 1, 5, 5).bfloat16()
    dense_attention(*parts, bias=bias, scale=1.0).sum().backward()
    assert bias.grad is None
    assert all(part.grad is not None for part in parts)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_segments_do_not_depend_on_their_neighbours(dtype: torch.dtype) -> None:
    """Sorted by length, two of the three are one block."""
    torch.manual_seed(0)
    queries, keys = Segments.from_lengths([7, 3, 7]), Segments.from_lengths([4, 12, 4])
    query = torch.randn(17, 2, 6).to(dtype)
    key, value = torch.randn(20, 2, 6).to(dtype), torch.randn(20, 2, 6).to(dtype)
    together = ragged_attention(query, key, value, queries, keys)
    parts = (query.split(queries.lengths), key.split(keys.lengths), value.split(keys.lengths))
    for found, *mine in zip(together.split(queries.lengths), *parts, strict=True):
        alone = attend_runs(*mine, [(len(mine[0]), len(mine[1]), 1)], scale=6**-0.5)
        torch.testing.assert_close(found.flatten(1), alone)
    torch.testing.assert_close(by_length(query, key, value, queries, keys, 0.0), together)
