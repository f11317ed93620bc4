"""Names of the losses, without torch: the choices in configurations and on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

#: Losses of the predicted pKd.
LabelLoss = Literal["mse", "huber", "gaussian", "listmle", "margin"]
#: The loss of the attention of the mixers; see `ppi.training.diversification`.
DIVERSIFICATION: Literal["diversification"] = "diversification"
LossName = Literal[LabelLoss, "diversification"]
#: Losses of the predictions that are minimised together, with the factor of each.
LossMix = Mapping[LabelLoss, float]
