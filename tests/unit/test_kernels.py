"""Kernels over ragged segments agree with the plain form, in value and gradient, backend by backend."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv1d, pad, scaled_dot_product_attention

from heads.kernels import convolution, pooling_cpu
from heads.kernels.convolution import convolve_spread, depthwise_convolution
from heads.kernels.cross_attention import cross_attention
from heads.kernels.dispatch import Backend, BackendUnavailableError, has_triton, interpreted, resolve_backend
from heads.kernels.dynamic_convolution import BLOCK, dynamic_convolution
from heads.kernels.pooling import attention_pool, attention_pool_linear

TYPES = [torch.float32, torch.bfloat16, torch.float16]
POOLS = [attention_pool, attention_pool_linear]
LENGTHS = [1, 40, 130, 64, 7]
WIDTH = 24

# A process whose Triton interprets its kernels runs them too; see the last test.
INTERPRETED = ["triton"] if has_triton() and interpreted() else []
BACKENDS = ["reference", "cpu", *INTERPRETED]
UNUSUAL = {
    "one residue": [1],
    "long": [600] if INTERPRETED else [5000],
    "tiny": [1 + i % 3 for i in range(40 if INTERPRETED else 1000)],
}


def offsets_of(lengths: Sequence[int]) -> Tensor:
    return torch.tensor([0, *lengths]).cumsum(0)


def pool_inputs(
    pool: Callable, lengths: Sequence[int], heads: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    rows = sum(lengths)
    shape = (rows, heads) if pool is attention_pool else (heads, WIDTH)
    values = torch.randn(rows, WIDTH, generator=random).to(dtype)
    return values, torch.randn(shape, generator=random).to(dtype)


def plain_pool(pool: Callable, values: Tensor, source: Tensor, offsets: Tensor) -> Tensor:
    scores = source if pool is attention_pool else values @ source.T
    bounds = offsets.tolist()
    return torch.stack(
        [
            torch.einsum(
                "lh,lhe->he",
                scores[start:end].softmax(0),
                values[start:end].unflatten(1, (scores.shape[1], -1)),
            ).flatten()
            for start, end in pairwise(bounds)
        ]
    )


def value_and_gradients(function: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    """Run on copies of the inputs; weigh the outputs differently for the gradient."""
    leaves = [each.detach().clone().requires_grad_() for each in inputs]
    out = function(*leaves)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out.dtype)
    out.backward(weights)
    return [out.detach(), *(leaf.grad for leaf in leaves)]


def assert_agree(actual: list[Tensor], exact: list[Tensor], dtype: torch.dtype) -> None:
    """Errors stay within a few roundings of the largest entry."""
    for got, want in zip(actual, exact, strict=True):
        assert got.dtype == dtype
        assert torch.isfinite(got).all()
        error = (got.double() - want.double()).abs().max()
        assert error <= max(4 * torch.finfo(dtype).eps, 1e-5) * want.abs().max().clamp(min=1)


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_pooling_equals_a_plain_loop(
    backend: Backend, pool: Callable, dtype: torch.dtype, heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling_cpu, "BLOCK", 50 * WIDTH)  # segments of more than one block
    inputs, offsets = pool_inputs(pool, LENGTHS, heads, dtype), offsets_of(LENGTHS)
    exact = value_and_gradients(lambda *each: plain_pool(pool, *each, offsets), *(i.double() for i in inputs))
    assert_agree(value_and_gradients(lambda *each: pool(*each, offsets, backend), *inputs), exact, dtype)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_pooling_gradients_are_exact(
    backend: Backend, pool: Callable, heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling_cpu, "BLOCK", 3 * WIDTH)
    lengths = [1, 7, 3]
    inputs = [each.requires_grad_() for each in pool_inputs(pool, lengths, heads, torch.float64)]
    assert torch.autograd.gradcheck(lambda *each: pool(*each, offsets_of(lengths), backend), inputs)


@pytest.mark.parametrize("backend", BACKENDS)
def test_extreme_scores_pick_the_largest(backend: Backend) -> None:
    values, scores = pool_inputs(attention_pool, [3, 100, 2], 1, torch.float32)
    scores.mul_(0)
    scores[0], scores[1], scores[50], scores[104] = 1e4, -1e4, 1e4, -1e4
    out, *gradients = value_and_gradients(
        lambda *each: attention_pool(*each, offsets_of([3, 100, 2]), backend), values, scores
    )
    assert torch.allclose(out, values[[0, 50, 103]], atol=1e-6)
    assert all(torch.isfinite(each).all() for each in gradients)


@pytest.mark.parametrize("backend", BACKENDS)
def test_extreme_weights_of_a_linear_score_give_finite_gradients(backend: Backend) -> None:
    values, weight = pool_inputs(attention_pool_linear, LENGTHS, 1, torch.float32)
    results = value_and_gradients(
        lambda *each: attention_pool_linear(*each, offsets_of(LENGTHS), backend), values, 1e4 * weight
    )
    assert all(torch.isfinite(each).all() for each in results)


@pytest.mark.parametrize("lengths", UNUSUAL.values(), ids=UNUSUAL)
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_pooling_of_unusual_segments(backend: Backend, pool: Callable, lengths: list[int]) -> None:
    inputs, offsets = pool_inputs(pool, lengths, 2, torch.float32), offsets_of(lengths)
    exact = value_and_gradients(lambda *each: plain_pool(pool, *each, offsets), *(i.double() for i in inputs))
    actual = value_and_gradients(lambda *each: pool(*each, offsets, backend), *inputs)
    for got, want in zip(actual, exact, strict=True):
        assert torch.allclose(got.double(), want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_pooling_takes_views(backend: Backend, pool: Callable) -> None:
    values, source = pool_inputs(pool, LENGTHS, 2, torch.float32)
    offsets = offsets_of(LENGTHS)
    exact = value_and_gradients(lambda *each: pool(*each, offsets, backend), values, source)
    strided = value_and_gradients(
        lambda rows, other: pool(rows.T, other.T, offsets, backend),
        values.T.contiguous(),
        source.T.contiguous(),
    )
    for got, want in zip([strided[0], strided[1].T, strided[2].T], exact, strict=True):
        assert torch.allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_empty_batches_and_segments_are_errors(backend: Backend) -> None:
    values, scores = torch.randn(4, 6), torch.randn(4, 2)
    with pytest.raises(ValueError, match="at least one segment"):
        attention_pool(values[:0], scores[:0], torch.tensor([0]), backend)
    with pytest.raises(ValueError, match="no empty segment"):
        attention_pool(values, scores, torch.tensor([0, 2, 2, 4]), backend)
    with pytest.raises(ValueError, match="from 0 to 4"):
        attention_pool(values, scores, torch.tensor([0, 3]), backend)
    with pytest.raises(ValueError, match="do not divide"):
        attention_pool(values, torch.randn(4, 5), torch.tensor([0, 4]), backend)


def plain_convolution(values: Tensor, weight: Tensor, offsets: Tensor) -> Tensor:
    """Convolve segment by segment."""
    options = {"padding": weight.shape[1] // 2, "groups": weight.shape[0]}
    return torch.cat(
        [
            conv1d(part.T.unsqueeze(0), weight.unsqueeze(1), **options).squeeze(0).T
            for part in values.split(offsets.diff().tolist())
        ]
    )


@pytest.mark.parametrize("lengths", [[1], [1, 2, 3, 20, 7, 50], [1 + i % 3 for i in range(100)]])
@pytest.mark.parametrize("convolve", [depthwise_convolution, convolve_spread])
def test_convolution_stays_in_its_segment(
    convolve: Callable, lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolution, "BLOCK", 4 * WIDTH)
    random, offsets = torch.Generator().manual_seed(0), offsets_of(lengths)
    values = torch.randn(sum(lengths), WIDTH, generator=random, dtype=torch.float64)
    weight = torch.randn(WIDTH, 7, generator=random, dtype=torch.float64)
    exact = value_and_gradients(lambda *each: plain_convolution(*each, offsets), values, weight)
    for got, want in zip(
        value_and_gradients(lambda *each: convolve(*each, offsets), values, weight), exact, strict=True
    ):
        assert torch.allclose(got, want)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_convolution_in_every_type(dtype: torch.dtype) -> None:
    random, offsets = torch.Generator().manual_seed(0), offsets_of(LENGTHS)
    values = torch.randn(sum(LENGTHS), WIDTH, generator=random).to(dtype)
    weight = torch.randn(WIDTH, 5, generator=random).to(dtype)
    exact = value_and_gradients(
        lambda *each: plain_convolution(*each, offsets), values.double(), weight.double()
    )
    assert_agree(
        value_and_gradients(lambda *each: depthwise_convolution(*each, offsets), values, weight), exact, dtype
    )


def test_convolution_gradients_are_exact() -> None:
    values = torch.randn(11, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    offsets = offsets_of([1, 7, 3])
    assert torch.autograd.gradcheck(lambda *each: depthwise_convolution(*each, offsets), (values, weight))


def test_convolution_needs_an_odd_kernel() -> None:
    with pytest.raises(ValueError, match="K odd"):
        depthwise_convolution(torch.randn(4, 3), torch.randn(3, 4), torch.tensor([0, 4]))


def plain_dynamic_convolution(values: Tensor, weights: Tensor, offsets: Tensor) -> Tensor:
    """Take each row's own window, segment by segment."""
    _, heads, kernel = weights.shape
    reach = kernel // 2
    windows = torch.cat(
        [
            pad(part, (0, 0, reach, reach)).unfold(0, kernel, 1)
            for part in values.split(offsets.diff().tolist())
        ]
    )
    return torch.einsum("thek,thk->the", windows.unflatten(1, (heads, -1)), weights).flatten(1)


@pytest.mark.parametrize("dtype", [torch.float64, *TYPES], ids=str)
@pytest.mark.parametrize(
    "lengths", [[1], [BLOCK], [2 * BLOCK - 1, 1, 2, 3, 50, BLOCK], [1 + i % 3 for i in range(100)]]
)
@pytest.mark.parametrize("kernel", [1, 7, 2 * BLOCK + 1])
def test_dynamic_convolution_stays_in_its_segment(
    lengths: list[int], kernel: int, dtype: torch.dtype
) -> None:
    random, offsets = torch.Generator().manual_seed(0), offsets_of(lengths)
    values = torch.randn(sum(lengths), WIDTH, generator=random).to(dtype)
    weights = torch.randn(sum(lengths), 3, kernel, generator=random).softmax(2).to(dtype)
    exact = value_and_gradients(
        lambda *each: plain_dynamic_convolution(*each, offsets), values.double(), weights.double()
    )
    got = value_and_gradients(lambda *each: dynamic_convolution(*each, offsets), values, weights)
    if dtype == torch.float64:
        assert all(torch.allclose(one, other) for one, other in zip(got, exact, strict=True))
    else:
        assert_agree(got, exact, dtype)


@pytest.mark.parametrize("shape", [(4, 3, 4), (4, 3, 2 * BLOCK + 3), (5, 3, 7), (4, 5, 7)])
def test_dynamic_convolution_says_what_shapes_it_takes(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=f"K odd and at most {2 * BLOCK + 1}"):
        dynamic_convolution(torch.randn(4, WIDTH), torch.randn(shape), torch.tensor([0, 4]))


def plain_cross_attention(query: Tensor, key: Tensor, value: Tensor, offsets: Tensor, heads: int) -> Tensor:
    """Attend over all rows; a mask leaves the partner's."""
    side = torch.repeat_interleave(torch.arange(offsets.numel() - 1), offsets.diff())
    split = (each.unflatten(1, (heads, -1)).transpose(0, 1) for each in (query, key, value))
    mask = side.unsqueeze(1) == (side ^ 1).unsqueeze(0)
    return scaled_dot_product_attention(*split, attn_mask=mask).transpose(0, 1).flatten(1)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("lengths", [[1, 1], [1, 40, 33, 2, 20, 20]])
@pytest.mark.parametrize("backend", BACKENDS)
def test_cross_attention_sees_the_partner_only(
    backend: Backend, lengths: list[int], dtype: torch.dtype
) -> None:
    random, offsets = torch.Generator().manual_seed(0), offsets_of(lengths)
    inputs = [torch.randn(sum(lengths), WIDTH, generator=random).to(dtype) for _ in range(3)]
    exact = value_and_gradients(
        lambda *each: plain_cross_attention(*each, offsets, 3), *(i.double() for i in inputs)
    )
    assert_agree(
        value_and_gradients(lambda *each: cross_attention(*each, offsets, 3, backend), *inputs), exact, dtype
    )


def test_cross_attention_needs_pairs_of_sides() -> None:
    rows = torch.randn(5, 6)
    with pytest.raises(ValueError, match="in pairs"):
        cross_attention(rows, rows, rows, torch.tensor([0, 5]), 2, "cpu")
    with pytest.raises(ValueError, match="4 heads divide"):
        cross_attention(rows, rows, rows, torch.tensor([0, 2, 5]), 4, "cpu")


def test_backends_are_resolved_by_device() -> None:
    assert resolve_backend("auto", "cpu") == "cpu"
    assert resolve_backend("auto", "cuda") == ("triton" if has_triton() else "reference")
    assert resolve_backend("reference", torch.device("cuda", 0)) == "reference"
    with pytest.raises(ValueError, match="there are auto, reference, cpu, triton"):
        resolve_backend("fast", "cpu")  # type: ignore[arg-type]
    with pytest.raises(BackendUnavailableError, match="on the CPU"):
        resolve_backend("cpu", "cuda")


def test_a_backend_that_is_absent_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr("heads.kernels.dispatch.has_triton", lambda: True)
    with pytest.raises(BackendUnavailableError, match="tensors on CUDA, got cpu"):
        resolve_backend("triton", "cpu")
    monkeypatch.setattr("heads.kernels.dispatch.has_triton", lambda: False)
    with pytest.raises(BackendUnavailableError, match="pip install triton"):
        resolve_backend("triton", "cuda")


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")
def test_compiled_calls_give_the_same_numbers() -> None:
    values, weight = pool_inputs(attention_pool_linear, [1, 40, 130, 64], 1, torch.float32)
    kernel, offsets = torch.randn(WIDTH, 3), offsets_of([1, 40, 130, 64])

    def work(rows: Tensor, score: Tensor) -> Tensor:
        rows = depthwise_convolution(rows, kernel, offsets)
        rows = rows + cross_attention(rows, rows, rows, offsets, 2, "cpu")
        return attention_pool_linear(rows, score, offsets, "cpu") * 2

    for got, want in zip(
        value_and_gradients(torch.compile(work), values, weight),
        value_and_gradients(work, values, weight),
        strict=True,
    ):
        assert torch.allclose(got, want, atol=1e-5)


@pytest.mark.skipif(not has_triton(), reason="needs Triton")
@pytest.mark.skipif(interpreted(), reason="this process is the one that it starts")
def test_triton_kernels_in_the_interpreter() -> None:
    """The switch is read when a kernel is defined, so the tests run in a process of their own."""
    tests = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        __file__,
        "-k",
        "triton and not absent",
    ]
    done = subprocess.run(
        tests, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
