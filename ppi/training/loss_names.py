"""Names of the losses, without torch: the choices of configuration and command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

LossName = Literal["mse", "huber", "gaussian", "listmle", "margin"]
#: Losses that are minimised together, and by what each is multiplied.
LossMix = Mapping[LossName, float]
