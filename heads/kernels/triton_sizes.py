"""Sizes and precision that the Triton kernels have in common."""

from __future__ import annotations

from typing import Any

import torch
import triton.language as tl
from torch import Tensor

from heads.kernels.dispatch import interpreted

#: Smallest side of a matrix that a tensor core multiplies.
_LEAST_SIDE = 16


def power_of_two(least: int) -> int:
    """Return the smallest power of two that is at least `least`, because Triton requires such lengths."""
    return 1 << (least - 1).bit_length()


def matrix_side(least: int) -> int:
    """Return the smallest side of a matrix of at least `least` that a tensor core multiplies."""
    return max(_LEAST_SIDE, power_of_two(least))


def product_precision(values: Tensor) -> str:
    """Return the precision of products with these values.

    Rounded to the 10 bits of tf32, numbers of 16 bits lose nothing, and float32 is split into three.
    """
    return "tf32x3" if values.dtype == torch.float32 else "tf32"


def product_type(values: Tensor) -> Any:
    """Return Triton's type of the factors of products with these values.

    Triton's interpreter does not multiply bfloat16, so that it multiplies these as float32.
    """
    if values.dtype == torch.float32 or interpreted():
        return tl.float32
    return tl.bfloat16 if values.dtype == torch.bfloat16 else tl.float16


def refuse_float64(values: Tensor) -> None:
    """Raise ValueError for float64, which the kernels would round."""
    if values.dtype == torch.float64:
        raise ValueError("the triton backend sums in float32; 'reference' takes float64")
