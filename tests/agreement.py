"""How closely two computations must agree."""

from __future__ import annotations

import torch
from torch import Tensor


def assert_agree(actual: list[Tensor], exact: list[Tensor], dtype: torch.dtype) -> None:
    """Errors stay within a few roundings of the largest entry."""
    for got, want in zip(actual, exact, strict=True):
        assert got.dtype == dtype
        assert torch.isfinite(got).all()
        error = (got.double() - want.double()).abs().max()
        assert error <= max(4 * torch.finfo(dtype).eps, 1e-5) * want.abs().max().clamp(min=1)
