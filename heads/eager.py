"""Call functions outside of `torch.compile`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")


def run_eagerly(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a function without compiling it, because its loop depends on the batch.

    A traced loop would be compiled again for each batch. Only traced calls are wrapped, because importing the
    compiler takes a second.
    """
    if torch.compiler.is_compiling():
        return torch.compiler.disable(function)(*arguments)
    return function(*arguments)
