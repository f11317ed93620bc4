"""Which implementation of a kernel runs, decided once and open to inspection."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Literal, get_args

import torch

Backend = Literal["reference", "cpu", "triton"]
BackendName = Literal["auto", "reference", "cpu", "triton"]


class BackendUnavailableError(RuntimeError):
    """A backend was asked for that cannot run here."""


def resolve_backend(name: BackendName, device: torch.device | str) -> Backend:
    """Return the backend that `name` stands for on `device`.

    ``auto`` is ``triton`` on CUDA where Triton is installed, ``cpu`` on the CPU, else ``reference``.

    Raises
    ------
    ValueError
        If there is no backend of that name.
    BackendUnavailableError
        If the backend cannot run on the device or lacks a package.
    """
    if name not in get_args(BackendName):
        raise ValueError(f"unknown backend {name!r}; there are {', '.join(get_args(BackendName))}")
    kind = torch.device(device).type
    if name == "auto":
        if kind == "cuda" and has_triton():
            return "triton"
        return "cpu" if kind == "cpu" else "reference"
    if name == "cpu" and kind != "cpu":
        raise BackendUnavailableError(f"backend 'cpu' takes tensors on the CPU, got {kind}; use 'auto'")
    if name == "triton":
        if not has_triton():
            raise BackendUnavailableError(
                "backend 'triton' needs the package triton: install a CUDA build of torch, which brings it, "
                "or pip install triton"
            )
        if kind != "cuda" and not interpreted():
            raise BackendUnavailableError(
                f"backend 'triton' takes tensors on CUDA, got {kind}; TRITON_INTERPRET=1 in the environment "
                "runs it elsewhere, slowly, for tests"
            )
    return name


def has_triton() -> bool:
    """Return whether Triton is installed."""
    return find_spec("triton") is not None


def interpreted() -> bool:
    """Return whether Triton runs its kernels in Python, which needs no GPU."""
    return os.environ.get("TRITON_INTERPRET") == "1"
