"""Calibrate a trained model and write its folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ppi.metrics import METRICS
from ppi.models.affinity import AffinityModel
from ppi.models.calibration import fit_calibration
from ppi.models.config import ModelConfig
from ppi.models.folder import TrainedModel, save_model
from ppi.models.readouts.names import NETWORK
from ppi.prediction.anchoring import anchored_quantile
from ppi.prediction.engine import MemberPredictions
from ppi.prediction.novelty import pair_identities
from ppi.provenance import code_provenance, table_sha256
from ppi.training.card import model_card
from ppi.training.member import Member
from ppi.training.module import MONITOR
from ppi.training.settings import TrainSettings
from ppi.training.split_data import SplitData


def save_trained(
    target: Path,
    model: AffinityModel,
    predicted: MemberPredictions,
    members: Sequence[Member],
    parts: SplitData,
    recorded: dict[str, Any],
    settings: TrainSettings,
    identity: np.ndarray | None,
) -> TrainedModel:
    """Calibrate the intervals of a trained model, and write its folder.

    Parameters
    ----------
    target
        The folder.
    model
        Trained model.
    predicted
        What it predicts for the validation complexes.
    members
        Its members, as they were trained.
    parts
        Data of the run.
    recorded
        Further entries of the manifest.
    settings
        Settings of the run.
    identity
        See `validation_identity` of `ppi.training.run.train`.

    Raises
    ------
    data_curation.errors.OutputError, data_curation.errors.MMseqsError
        If the folder cannot be written, or the search for similar chains fails.
    """
    train, validation, measured = parts.train, parts.validation, parts.validation_labels
    if identity is None:
        identity = pair_identities(train.complexes, validation.complexes)
    calibration = fit_calibration(measured, predicted.mean, predicted.spread, identity, validation.targets())
    quantile = anchored_quantile(train.complexes, train.targets(), calibration.level)
    calibration = replace(calibration, anchored_quantile=quantile)
    chosen = settings.model
    manifest = {
        "name": _name(chosen),
        "settings": settings.flat(),
        "backbone_identity": model.backbone.identity,
        **recorded,
        "data_sha256": table_sha256(parts.table),
        "training_complexes": len(train),
        "validation_complexes": len(validation),
        "validation": {name: metric(measured, predicted.mean) for name, metric in METRICS.items()},
        "members": [_summary(member) for member in members],
        **code_provenance(),
    }
    return save_model(
        target,
        model.cpu(),
        calibration=calibration,
        training_complexes=train.complexes,
        training_log=pd.concat(
            [pd.DataFrame(), *(member.log.assign(seed=member.seed) for member in members)]
        ),
        manifest=manifest,
        card=model_card(model, calibration, manifest),
    )


def _name(model: ModelConfig) -> str:
    readout = "" if model.readout == NETWORK else f"-{model.readout}"
    return f"{Path(model.backbone).name}-{model.mixer}-{model.head}{readout}-x{model.members}"


def _summary(member: Member) -> dict[str, Any]:
    return {
        "seed": member.seed,
        "validation_spearman": float(member.best[MONITOR]),
        "best_epoch": int(member.best["epoch"]),
        "epochs": len(member.log),
        "seconds": round(float(member.log["seconds"].sum()), 1),
    }
