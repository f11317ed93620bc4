"""What a GPU computes agrees with the CPU: kernels, packed attention, a step of pretraining."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from agreement import assert_agree
from torch import Tensor

from heads.attention import ragged_attention
from heads.kernels.convolution import depthwise_convolution
from heads.kernels.cross_attention import cross_attention
from heads.kernels.dense import attend_runs
from heads.kernels.dispatch import use_backend
from heads.kernels.dynamic_convolution import dynamic_convolution
from heads.kernels.flash import flash_takes
from heads.kernels.pooling import attention_pool, attention_pool_linear
from heads.ragged import Segments
from ppi.backbones.packing import Pack
from ppi.pretraining.batches import TokenStream
from ppi.pretraining.corpus import FIRST_RESIDUE, LAST_RESIDUE, TokenizedSequences
from ppi.pretraining.masking import MaskedBatch, mask_tokens
from ppi.pretraining.model import small_config
from ppi.pretraining.optimiser import Learner
from ppi.pretraining.settings import PretrainSettings

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]

TYPES = [torch.float32, torch.bfloat16, torch.float16]
LENGTHS = [1, 40, 130, 64, 7, 700]
HEADS, WIDTH = 2, 64
ROWS = sum(LENGTHS)


def on(device: str, function: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    """Return value and gradients, on the CPU; each output weighs differently in the gradient."""
    leaves = [each.detach().to(device).requires_grad_() for each in inputs]
    out = function(*leaves)
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    out.backward(weights.to(out))
    return [part.detach().cpu() for part in (out, *(leaf.grad for leaf in leaves)) if part is not None]


def crossed(query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
    return cross_attention(query, key, value, segments, HEADS)


def attended(query: Tensor, key: Tensor, value: Tensor, segments: Segments) -> Tensor:
    return ragged_attention(query, key, value, segments, segments)


FUNCTIONS: dict[Callable[..., Tensor], list[tuple[int, ...]]] = {
    attention_pool: [(ROWS, WIDTH), (ROWS, HEADS)],
    attention_pool_linear: [(ROWS, WIDTH), (HEADS, WIDTH)],
    depthwise_convolution: [(ROWS, WIDTH), (WIDTH, 7)],
    dynamic_convolution: [(ROWS, WIDTH), (ROWS, HEADS, 7)],
    crossed: [(ROWS, WIDTH)] * 3,
    attended: [(ROWS, HEADS, WIDTH // HEADS)] * 3,
}


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_kernels_agree_with_float64_on_the_cpu(function: Callable[..., Tensor], dtype: torch.dtype) -> None:
    random, segments = torch.Generator().manual_seed(0), Segments.from_lengths(LENGTHS)
    inputs = [torch.randn(shape, generator=random).to(dtype) for shape in FUNCTIONS[function]]
    wide = [each.double() for each in inputs]
    with use_backend("reference"):
        exact = on("cpu", lambda *each: function(*each, segments), *wide)
    there = segments.to("cuda")
    assert_agree(on("cuda", lambda *each: function(*each, there), *inputs), exact, dtype)


def test_flash_attention_over_packed_sequences() -> None:
    random = torch.Generator().manual_seed(0)
    inputs = [torch.randn(ROWS, HEADS, 32, generator=random).bfloat16() for _ in range(3)]
    assert flash_takes(inputs[0].cuda())
    runs = [(length, length, 1) for length in LENGTHS]
    exact = on("cpu", lambda *each: attend_runs(*each, runs, scale=0.3), *(each.double() for each in inputs))
    pack = Pack(LENGTHS, "cuda")
    assert_agree(on("cuda", lambda *each: pack.attend(*each, scale=0.3), *inputs), exact, torch.bfloat16)


SETTINGS = PretrainSettings(depth=3, width=128, heads=2, micro_tokens=2048, batch_tokens=2048, clip=1e9)


def masked_batch() -> MaskedBatch:
    random = np.random.default_rng(0)
    lengths = random.integers(40, 400, 50)
    tokens = random.integers(FIRST_RESIDUE, LAST_RESIDUE + 1, lengths.sum()).astype(np.uint8)
    sequences = TokenizedSequences(tokens, np.cumsum([0, *lengths]))
    return mask_tokens(TokenStream(sequences, context=512, batch_tokens=2048, seed=0).batch(0), 0)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-3), (torch.bfloat16, 5e-2)], ids=str)
def test_a_step_of_pretraining(dtype: torch.dtype, error: float, compiled: bool) -> None:
    config = small_config(
        depth=SETTINGS.depth, width=SETTINGS.width, heads=SETTINGS.heads, context=SETTINGS.context
    )
    plain = Learner(config, SETTINGS, device=torch.device("cpu"), dtype=torch.float32)
    learner = Learner(config, SETTINGS, device=torch.device("cuda"), dtype=dtype, compile_layers=compiled)
    losses = [each.backward(masked_batch().to(place), 1.0) for each, place in _places(plain, learner)]
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=error / 5)
    exact, given = (
        torch.cat(
            [weight.grad.flatten().cpu() for weight in each.weights.values() if weight.grad is not None]
        )
        for each in (plain, learner)
    )
    assert (given - exact).norm() < error * exact.norm()
    for each in (plain, learner):
        each.step(1e-2)
    moved = {name: weight.detach().cpu() for name, weight in learner.weights.items()}
    assert all(torch.isfinite(weight).all() for weight in moved.values())
    after = [each.backward(masked_batch().to(place), 1.0) for each, place in _places(plain, learner)]
    assert after[1] < losses[1]


def _places(plain: Learner, learner: Learner) -> list[tuple[Learner, torch.device]]:
    return [(plain, torch.device("cpu")), (learner, torch.device("cuda"))]
