"""Names of the losses, without torch: the choices in configurations and on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

LossName = Literal["mse", "huber", "gaussian", "listmle", "margin"]
#: Losses that are minimised together, with the factor of each.
LossMix = Mapping[LossName, float]
