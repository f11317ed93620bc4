"""Dropout that draws one byte per value instead of a float."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

_LEVELS = 256


class Dropout(nn.Module):
    """Set values to zero at random in training, and scale the others up (Srivastava et al. 2014).

    On a CPU the probability is rounded to a multiple of 1/256: eight values share one draw of 64 bits, which
    takes an eighth of the time of a draw for each. The remaining values are scaled by the rounded
    probability, so that the mean is unchanged.

    Parameters
    ----------
    probability
        Probability that a value is dropped, from 0 to below 1.

    Raises
    ------
    ValueError
        If the probability is outside this range.
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        if not 0 <= probability < 1:
            raise ValueError(f"the dropout is {probability}; give a number from 0 to below 1")
        self.probability = probability

    def forward(self, values: Tensor) -> Tensor:
        """Return values of the same shape."""
        if not self.training or self.probability == 0:
            return values
        if values.device.type != "cpu":
            return dropout(values, self.probability)
        kept = max(1, round((1 - self.probability) * _LEVELS))
        draws = torch.empty(-(-values.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        keep = draws.view(torch.uint8)[: values.numel()].view(values.shape) < kept
        # Computes values * keep * scale in one operation: the gradient of dropout is dropout again.
        dropped: Tensor = torch.ops.aten.native_dropout_backward(values, keep, _LEVELS / kept)
        return dropped

    def extra_repr(self) -> str:
        """Return the probability for the representation of the module."""
        return f"p={self.probability}"
