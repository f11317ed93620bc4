"""Kernels over ragged segments agree with the plain form, in value and gradient, backend by backend."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import torch
from agreement import assert_agree
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import conv1d, pad, scaled_dot_product_attention

from heads.kernels import convolution, pooling_cpu
from heads.kernels.convolution import convolve_spread, depthwise_convolution
from heads.kernels.cross_attention import cross_attention
from heads.kernels.dispatch import (
    Backend,
    BackendUnavailableError,
    backend_for,
    has_triton,
    interpreted,
    use_backend,
)
from heads.kernels.dynamic_convolution import BLOCK, dynamic_convolution
from heads.kernels.pooling import attention_pool, attention_pool_linear
from heads.ragged import Segments

TYPES = [torch.float32, torch.bfloat16, torch.float16]
POOLS = [attention_pool, attention_pool_linear]
LENGTHS = [1, 40, 130, 64, 7]
WIDTH = 24
some_lengths = st.lists(st.integers(1, 12), min_size=1, max_size=6)
few_examples = settings(max_examples=25)

# A process whose Triton interprets its kernels runs them too; see the last test.
INTERPRETED = ["triton"] if has_triton() and interpreted() else []
BACKENDS = ["reference", "cpu", *INTERPRETED]
UNUSUAL = {
    "one residue": [1],
    "long": [600] if INTERPRETED else [5000],
    "tiny": [1 + i % 3 for i in range(12 if INTERPRETED else 1000)],
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Run the test on each backend."""
    with use_backend(request.param):
        yield request.param


def pool_inputs(
    pool: Callable, lengths: Sequence[int], heads: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    rows = sum(lengths)
    shape = (rows, heads) if pool is attention_pool else (heads, WIDTH)
    values = torch.randn(rows, WIDTH, generator=random).to(dtype)
    return values, torch.randn(shape, generator=random).to(dtype)


def plain_pool(pool: Callable, values: Tensor, source: Tensor, segments: Segments) -> Tensor:
    scores = source if pool is attention_pool else values @ source.T
    parts = zip(scores.split(segments.lengths), values.split(segments.lengths), strict=True)
    return torch.stack(
        [
            torch.einsum("lh,lhe->he", some.softmax(0), rows.unflatten(1, (some.shape[1], -1))).flatten()
            for some, rows in parts
        ]
    )


def value_and_gradients(function: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    """Run on copies of the inputs; weigh the outputs differently for the gradient."""
    leaves = [each.detach().clone().requires_grad_() for each in inputs]
    out = function(*leaves)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).to(out.dtype)
    out.backward(weights)
    return [out.detach(), *(leaf.grad for leaf in leaves)]


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.usefixtures("backend")
def test_pooling_equals_a_plain_loop(
    pool: Callable, dtype: torch.dtype, heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooling_cpu, "BLOCK", 50 * WIDTH)  # segments of more than one block
    inputs, segments = pool_inputs(pool, LENGTHS, heads, dtype), Segments.from_lengths(LENGTHS)
    exact = value_and_gradients(
        lambda *each: plain_pool(pool, *each, segments), *(i.double() for i in inputs)
    )
    assert_agree(value_and_gradients(lambda *each: pool(*each, segments), *inputs), exact, dtype)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("backend", ["reference", "cpu"], indirect=True)
@pytest.mark.usefixtures("backend")
def test_pooling_gradients_are_exact(pool: Callable, heads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooling_cpu, "BLOCK", 3 * WIDTH)
    lengths = [1, 7, 3]
    inputs = [each.requires_grad_() for each in pool_inputs(pool, lengths, heads, torch.float64)]
    assert torch.autograd.gradcheck(lambda *each: pool(*each, Segments.from_lengths(lengths)), inputs)


@pytest.mark.usefixtures("backend")
def test_extreme_scores_pick_the_largest() -> None:
    values, scores = pool_inputs(attention_pool, [3, 100, 2], 1, torch.float32)
    scores.mul_(0)
    scores[0], scores[1], scores[50], scores[104] = 1e4, -1e4, 1e4, -1e4
    out, *gradients = value_and_gradients(
        lambda *each: attention_pool(*each, Segments.from_lengths([3, 100, 2])), values, scores
    )
    assert torch.allclose(out, values[[0, 50, 103]], atol=1e-6)
    assert all(torch.isfinite(each).all() for each in gradients)


@pytest.mark.usefixtures("backend")
def test_extreme_weights_of_a_linear_score_give_finite_gradients() -> None:
    values, weight = pool_inputs(attention_pool_linear, LENGTHS, 1, torch.float32)
    results = value_and_gradients(
        lambda *each: attention_pool_linear(*each, Segments.from_lengths(LENGTHS)), values, 1e4 * weight
    )
    assert all(torch.isfinite(each).all() for each in results)


@pytest.mark.parametrize("lengths", UNUSUAL.values(), ids=UNUSUAL)
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.usefixtures("backend")
def test_pooling_of_unusual_segments(pool: Callable, lengths: list[int]) -> None:
    inputs, segments = pool_inputs(pool, lengths, 2, torch.float32), Segments.from_lengths(lengths)
    exact = value_and_gradients(
        lambda *each: plain_pool(pool, *each, segments), *(i.double() for i in inputs)
    )
    actual = value_and_gradients(lambda *each: pool(*each, segments), *inputs)
    for got, want in zip(actual, exact, strict=True):
        assert torch.allclose(got.double(), want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["reference", "cpu"])
@pytest.mark.parametrize("pool", POOLS)
@few_examples
@given(lengths=some_lengths, heads=st.sampled_from([1, 2, 4]))
def test_pooling_of_any_segments_equals_a_loop(
    pool: Callable, name: Backend, lengths: list[int], heads: int
) -> None:
    inputs, segments = pool_inputs(pool, lengths, heads, torch.float32), Segments.from_lengths(lengths)
    exact = value_and_gradients(
        lambda *each: plain_pool(pool, *each, segments), *(i.double() for i in inputs)
    )
    with use_backend(name):
        assert_agree(value_and_gradients(lambda *each: pool(*each, segments), *inputs), exact, torch.float32)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.usefixtures("backend")
def test_pooling_takes_views(pool: Callable) -> None:
    values, source = pool_inputs(pool, LENGTHS, 2, torch.float32)
    segments = Segments.from_lengths(LENGTHS)
    exact = value_and_gradients(lambda *each: pool(*each, segments), values, source)
    strided = value_and_gradients(
        lambda rows, other: pool(rows.T, other.T, segments),
        values.T.contiguous(),
        source.T.contiguous(),
    )
    for got, want in zip([strided[0], strided[1].T, strided[2].T], exact, strict=True):
        assert torch.allclose(got, want, atol=1e-5)


@pytest.mark.usefixtures("backend")
def test_shapes_that_do_not_agree_are_errors() -> None:
    values, scores, segments = torch.randn(4, 6), torch.randn(4, 2), Segments.from_lengths([4])
    with pytest.raises(ValueError, match="segments of 3 rows need values"):
        attention_pool(values, scores, Segments.from_lengths([3]))
    with pytest.raises(ValueError, match="do not divide"):
        attention_pool(values, torch.randn(4, 5), segments)
    with pytest.raises(ValueError, match="4 rows need as many rows of scores"):
        attention_pool(values, scores[:3], segments)
    with pytest.raises(ValueError, match="need such a weight"):
        attention_pool_linear(values, torch.randn(1, 5), segments)


def plain_convolution(values: Tensor, weight: Tensor, segments: Segments) -> Tensor:
    """Convolve segment by segment."""
    options = {"padding": weight.shape[1] // 2, "groups": weight.shape[0]}
    return torch.cat(
        [
            conv1d(part.T.unsqueeze(0), weight.unsqueeze(1), **options).squeeze(0).T
            for part in values.split(segments.lengths)
        ]
    )


@pytest.mark.parametrize("lengths", [[1], [1, 2, 3, 20, 7, 50], [1 + i % 3 for i in range(100)]])
@pytest.mark.parametrize("convolve", [depthwise_convolution, convolve_spread])
def test_convolution_stays_in_its_segment(
    convolve: Callable, lengths: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolution, "BLOCK", 4 * WIDTH)
    random, segments = torch.Generator().manual_seed(0), Segments.from_lengths(lengths)
    values = torch.randn(sum(lengths), WIDTH, generator=random, dtype=torch.float64)
    weight = torch.randn(WIDTH, 7, generator=random, dtype=torch.float64)
    exact = value_and_gradients(lambda *each: plain_convolution(*each, segments), values, weight)
    for got, want in zip(
        value_and_gradients(lambda *each: convolve(*each, segments), values, weight), exact, strict=True
    ):
        assert torch.allclose(got, want)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_convolution_in_every_type(dtype: torch.dtype) -> None:
    random, segments = torch.Generator().manual_seed(0), Segments.from_lengths(LENGTHS)
    values = torch.randn(sum(LENGTHS), WIDTH, generator=random).to(dtype)
    weight = torch.randn(WIDTH, 5, generator=random).to(dtype)
    exact = value_and_gradients(
        lambda *each: plain_convolution(*each, segments), values.double(), weight.double()
    )
    assert_agree(
        value_and_gradients(lambda *each: depthwise_convolution(*each, segments), values, weight),
        exact,
        dtype,
    )


def test_convolution_gradients_are_exact() -> None:
    values = torch.randn(11, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    segments = Segments.from_lengths([1, 7, 3])
    assert torch.autograd.gradcheck(lambda *each: depthwise_convolution(*each, segments), (values, weight))


@few_examples
@given(some_lengths, st.sampled_from([1, 3, 7]))
def test_convolutions_of_any_segments_equal_a_loop(lengths: list[int], kernel: int) -> None:
    random, segments = torch.Generator().manual_seed(0), Segments.from_lengths(lengths)
    values = torch.randn(sum(lengths), WIDTH, generator=random, dtype=torch.float64)
    shared = torch.randn(WIDTH, kernel, generator=random, dtype=torch.float64)
    own = torch.randn(sum(lengths), 3, kernel, generator=random, dtype=torch.float64)
    for convolve, plain, weight in (
        (depthwise_convolution, plain_convolution, shared),
        (convolve_spread, plain_convolution, shared),
        (dynamic_convolution, plain_dynamic_convolution, own),
    ):
        for got, want in zip(
            value_and_gradients(lambda *each, f=convolve: f(*each, segments), values, weight),
            value_and_gradients(lambda *each, f=plain: f(*each, segments), values, weight),
            strict=True,
        ):
            assert torch.allclose(got, want)


def test_convolution_needs_an_odd_kernel() -> None:
    with pytest.raises(ValueError, match="K odd"):
        depthwise_convolution(torch.randn(4, 3), torch.randn(3, 4), Segments.from_lengths([4]))


def plain_dynamic_convolution(values: Tensor, weights: Tensor, segments: Segments) -> Tensor:
    """Take each row's own window, segment by segment."""
    _, heads, kernel = weights.shape
    reach = kernel // 2
    windows = torch.cat(
        [pad(part, (0, 0, reach, reach)).unfold(0, kernel, 1) for part in values.split(segments.lengths)]
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
    random, segments = torch.Generator().manual_seed(0), Segments.from_lengths(lengths)
    values = torch.randn(sum(lengths), WIDTH, generator=random).to(dtype)
    weights = torch.randn(sum(lengths), 3, kernel, generator=random).softmax(2).to(dtype)
    exact = value_and_gradients(
        lambda *each: plain_dynamic_convolution(*each, segments), values.double(), weights.double()
    )
    got = value_and_gradients(lambda *each: dynamic_convolution(*each, segments), values, weights)
    if dtype == torch.float64:
        assert all(torch.allclose(one, other) for one, other in zip(got, exact, strict=True))
    else:
        assert_agree(got, exact, dtype)


@pytest.mark.parametrize("shape", [(4, 3, 4), (4, 3, 2 * BLOCK + 3), (5, 3, 7), (4, 5, 7)])
def test_dynamic_convolution_says_what_shapes_it_takes(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=f"K odd and at most {2 * BLOCK + 1}"):
        dynamic_convolution(torch.randn(4, WIDTH), torch.randn(shape), Segments.from_lengths([4]))


def plain_cross_attention(
    query: Tensor, key: Tensor, value: Tensor, segments: Segments, heads: int
) -> Tensor:
    """Attend over all rows; a mask leaves the partner's."""
    side = segments.ids
    split = (each.unflatten(1, (heads, -1)).transpose(0, 1) for each in (query, key, value))
    mask = side.unsqueeze(1) == (side ^ 1).unsqueeze(0)
    return scaled_dot_product_attention(*split, attn_mask=mask).transpose(0, 1).flatten(1)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("lengths", [[1, 1], [1, 40, 33, 2, 20, 20]])
@pytest.mark.usefixtures("backend")
def test_cross_attention_sees_the_partner_only(lengths: list[int], dtype: torch.dtype) -> None:
    random, segments = torch.Generator().manual_seed(0), Segments.from_lengths(lengths)
    inputs = [torch.randn(sum(lengths), WIDTH, generator=random).to(dtype) for _ in range(3)]
    exact = value_and_gradients(
        lambda *each: plain_cross_attention(*each, segments, 3), *(i.double() for i in inputs)
    )
    assert_agree(
        value_and_gradients(lambda *each: cross_attention(*each, segments, 3), *inputs), exact, dtype
    )


@pytest.mark.parametrize("name", ["reference", "cpu"])
@few_examples
@given(pairs=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=4))
def test_cross_attention_of_any_sides_equals_a_mask(name: Backend, pairs: list[tuple[int, int]]) -> None:
    segments = Segments.from_lengths([length for pair in pairs for length in pair])
    random = torch.Generator().manual_seed(0)
    inputs = [torch.randn(segments.rows, WIDTH, generator=random) for _ in range(3)]
    exact = value_and_gradients(
        lambda *each: plain_cross_attention(*each, segments, 3), *(i.double() for i in inputs)
    )
    with use_backend(name):
        got = value_and_gradients(lambda *each: cross_attention(*each, segments, 3), *inputs)
    assert_agree(got, exact, torch.float32)


def test_cross_attention_needs_pairs_of_sides() -> None:
    rows = torch.randn(5, 6)
    with pytest.raises(ValueError, match="in pairs"):
        cross_attention(rows, rows, rows, Segments.from_lengths([5]), 2)
    with pytest.raises(ValueError, match="4 heads divide"):
        cross_attention(rows, rows, rows, Segments.from_lengths([2, 3]), 4)


def test_the_device_chooses_the_backend_unless_one_is_demanded() -> None:
    here = torch.empty(0)
    assert backend_for(here) == "cpu"
    with use_backend("reference"):
        assert backend_for(here) == "reference"
    assert backend_for(here) == "cpu"
    elsewhere = torch.empty(0, device="meta")
    assert backend_for(elsewhere) == "reference"
    with (
        use_backend("cpu"),
        pytest.raises(BackendUnavailableError, match="on the CPU, and these are on meta"),
    ):
        backend_for(elsewhere)
    with pytest.raises(ValueError, match="choose one of reference, cpu, triton"), use_backend("fast"):
        pass


def test_a_backend_that_is_absent_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with use_backend("triton"):
        monkeypatch.setattr("heads.kernels.dispatch.has_triton", lambda: True)
        with pytest.raises(BackendUnavailableError, match="tensors on CUDA, and these are on cpu"):
            backend_for(torch.empty(0))
        monkeypatch.setattr("heads.kernels.dispatch.has_triton", lambda: False)
        with pytest.raises(BackendUnavailableError, match="pip install triton"):
            backend_for(torch.empty(0))


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")
def test_compiled_calls_give_the_same_numbers() -> None:
    values, weight = pool_inputs(attention_pool_linear, [1, 40, 130, 64], 1, torch.float32)
    kernel, segments = torch.randn(WIDTH, 3), Segments.from_lengths([1, 40, 130, 64])

    def work(rows: Tensor, score: Tensor) -> Tensor:
        rows = depthwise_convolution(rows, kernel, segments)
        rows = rows + cross_attention(rows, rows, rows, segments, 2)
        return attention_pool_linear(rows, score, segments) * 2

    for got, want in zip(
        value_and_gradients(torch.compile(work), values, weight),
        value_and_gradients(work, values, weight),
        strict=True,
    ):
        assert torch.allclose(got, want, atol=1e-5)


@pytest.mark.slow
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
        str(Path(__file__).with_name("test_triton_attentions.py")),
        "-k",
        "triton and not absent",
    ]
    done = subprocess.run(
        tests, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
