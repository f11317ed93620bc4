"""Mark what of a backbone is trained along with the head."""

from __future__ import annotations

from ppi.backbones.base import Backbone
from ppi.models.tuning_settings import TuningSettings


def prepare_tuning(backbone: Backbone, tuning: TuningSettings) -> None:
    """Let exactly the parameters that `tuning` names require gradients; adapters are put in place.

    Parameters
    ----------
    backbone
        Changed in place.
    tuning
        What of it is trained.
    """
    backbone.requires_grad_(False)
    if not tuning.frozen:
        raise NotImplementedError(tuning.method)
