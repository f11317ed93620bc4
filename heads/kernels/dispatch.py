"""The choice of a kernel's implementation, which depends on the device and is never saved in a model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Literal, get_args

import torch
from torch import Tensor

Backend = Literal["reference", "cpu", "triton"]

#: Largest side of the matrices that the Triton kernels of attentions keep in registers and shared memory.
LARGEST_SIDE = 64

_demanded: ContextVar[Backend | None] = ContextVar("demanded backend", default=None)


class BackendUnavailableError(RuntimeError):
    """The requested backend cannot run here."""


@contextmanager
def use_backend(name: Backend) -> Iterator[None]:
    """Use one backend for all kernels inside the context, for tests and comparisons.

    Raises
    ------
    ValueError
        If there is no backend of that name.
    """
    if name not in get_args(Backend):
        raise ValueError(f"there is no backend {name!r}; choose one of {', '.join(get_args(Backend))}")
    token = _demanded.set(name)
    try:
        yield
    finally:
        _demanded.reset(token)


def backend_for(values: Tensor) -> Backend:
    """Return the backend that computes with these values.

    Unless `use_backend` sets one, this is ``cpu`` on the CPU. On CUDA it is ``triton`` if Triton is
    installed, except for float64, which its kernels would round; otherwise it is ``reference``.

    Raises
    ------
    BackendUnavailableError
        If the requested backend cannot run on the device or lacks a package.
    """
    kind, demanded = values.device.type, _demanded.get()
    if demanded is not None:
        _check_available(demanded, kind)
        return demanded
    if kind == "cuda" and has_triton() and values.dtype != torch.float64:
        return "triton"
    return "cpu" if kind == "cpu" else "reference"


def triton_takes(values: Tensor, side: int) -> bool:
    """Return whether Triton kernels compute with these values, if a matrix that they keep has this side.

    Raises
    ------
    BackendUnavailableError
        If `use_backend` demands Triton, but it cannot run here or the matrix is too large.
    """
    if backend_for(values) != "triton":
        return False
    if side > LARGEST_SIDE and _demanded.get() == "triton":
        raise BackendUnavailableError(
            f"the backend 'triton' takes blocks of at most {LARGEST_SIDE} rows and heads of at most "
            f"{LARGEST_SIDE} columns, but the larger of the two is {side} here; do not demand a backend"
        )
    return side <= LARGEST_SIDE


def _check_available(name: Backend, kind: str) -> None:
    if name == "cpu" and kind != "cpu":
        raise BackendUnavailableError(
            f"the backend 'cpu' takes tensors on the CPU, and these are on {kind}; do not demand a backend"
        )
    if name == "triton" and not has_triton():
        raise BackendUnavailableError(
            "the backend 'triton' needs the package triton: install a CUDA build of torch, which brings it, "
            "or pip install triton"
        )
    if name == "triton" and kind != "cuda" and not interpreted():
        raise BackendUnavailableError(
            f"the backend 'triton' takes tensors on CUDA, and these are on {kind}; TRITON_INTERPRET=1 in the "
            "environment runs it elsewhere, slowly, for tests"
        )


def has_triton() -> bool:
    """Return whether Triton is installed."""
    return find_spec("triton") is not None


def interpreted() -> bool:
    """Return whether Triton runs its kernels in Python, which needs no GPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"
