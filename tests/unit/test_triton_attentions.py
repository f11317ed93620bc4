"""Attentions with Triton kernels agree with their torch form, in the interpreter.

`tests/unit/test_kernels.py` runs these tests in a process whose Triton interprets its kernels.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from agreement import assert_agree
from torch import Tensor

from heads.kernels.dispatch import BackendUnavailableError, has_triton, interpreted, use_backend
from heads.mixers.attention.base import Attention
from heads.names import ATTENTIONS
from heads.options import make_part
from heads.ragged import Segments

pytestmark = pytest.mark.skipif(not (has_triton() and interpreted()), reason="needs Triton's interpreter")

HEADS = 2
LENGTHS = [1, 30, 130, 7]
CASES: list[tuple[str, dict[str, Any]]] = [
    ("linear", {"decay": 0.9}),
    ("relu", {}),
    ("sigmoid", {}),
    ("spans", {"starts": 3, "growths": (0.0, 0.3)}),
    ("spans", {"starts": 70, "growths": (0.5, 1.0)}),
    ("block-sparse", {"block": 8, "top_k": 3}),
    ("block-sparse", {"block": 20, "top_k": 2, "rectified": False}),
    ("flex", {"block": 8, "least": 1, "most": 5, "divergence": 0.9, "gamma": 0.5}),
    ("hierarchical", {"chunk": 8, "top_k": 3}),
    ("native-sparse", {"block": 8, "top_k": 3, "window": 4}),
]


def computed(attention: Attention, parts: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Return the result, the gradients of the parts and those of the parameters."""
    attention.zero_grad()
    leaves = [part.to(dtype).requires_grad_() for part in parts]
    mixed = attention(*leaves, Segments.from_lengths(LENGTHS))
    mixed.backward(torch.linspace(-1, 1, mixed.numel()).view(mixed.shape).to(dtype))
    trained = [*leaves, *attention.parameters()]
    # Copies, because a module changes the type of its gradients in place.
    return [mixed.detach(), *(each.grad.to(dtype, copy=True) for each in trained if each.grad is not None)]


@pytest.mark.parametrize(("width", "dtype"), [(6, torch.float32), (20, torch.bfloat16)], ids=str)
@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
def test_a_triton_attention_equals_its_torch_form(
    name: str, options: dict[str, Any], width: int, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    attention = make_part(ATTENTIONS, name, HEADS, width, options=options)
    parts = [torch.randn(sum(LENGTHS), HEADS, width).to(dtype) for _ in range(3)]
    exact = computed(attention.double(), parts, torch.float64)
    with use_backend("triton"):
        found = computed(attention.float(), parts, dtype)
    assert_agree(found, exact, dtype)


def test_a_triton_attention_refuses_large_blocks() -> None:
    attention = make_part(ATTENTIONS, "block-sparse", HEADS, 4, options={"block": 65, "top_k": 1})
    parts = [torch.randn(70, HEADS, 4) for _ in range(3)]
    with use_backend("triton"), pytest.raises(BackendUnavailableError, match="at most 64 rows .* is 65"):
        attention(*parts, Segments.from_lengths([70]))


@pytest.mark.parametrize("name", ["linear", "block-sparse"])
def test_a_triton_attention_refuses_float64(name: str) -> None:
    attention = make_part(
        ATTENTIONS, name, HEADS, 4, options={"block": 8, "top_k": 1} if name != "linear" else {}
    )
    parts = [torch.randn(20, HEADS, 4, dtype=torch.float64) for _ in range(3)]
    with use_backend("triton"), pytest.raises(ValueError, match="'reference' takes float64"):
        attention(*parts, Segments.from_lengths([20]))
