"""A border that `torch.compile` leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")


def run_eagerly(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a function whose loop depends on the batch: traced, it would be compiled anew for each.

    Only a traced call is wrapped, because the compiler takes a second to import.
    """
    if torch.compiler.is_compiling():
        return torch.compiler.disable(function)(*arguments)
    return function(*arguments)
