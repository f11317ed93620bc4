"""The model card that is written into a model folder."""

from __future__ import annotations

from typing import Any

from ppi.models.config import ModelConfig
from ppi.models.folder import Calibration


def model_card(
    config: ModelConfig, swap_invariant: bool, calibration: Calibration, manifest: dict[str, Any]
) -> str:
    """Return the card of a freshly trained model: what it is and how it did on validation complexes."""
    scores = manifest["validation"]
    swap = "changes nothing" if swap_invariant else "may change the prediction"
    members = "\n".join(
        f"| {m['seed']} | {m['validation_spearman']:.3f} | {m['best_epoch']} of {m['epochs']} |"
        for m in manifest["members"]
    )
    settings = "\n".join(f"- {name}: {value}" for name, value in manifest["settings"].items())
    return f"""# {manifest["name"]}

Predicts pKd = -log10(Kd / M) of a protein complex from the sequences of its chains.

- Backbone `{config.backbone}` (frozen), mixer `{config.mixer}`, head `{config.head}`, pooling
  `{config.pooling}`, {config.members} member(s); the prediction is their mean.
- Trained on {manifest["training_complexes"]} complexes with exact labels (data sha256
  `{manifest["data_sha256"]}`); the best epoch was chosen on {manifest["validation_complexes"]} others.
- Interval: prediction +- {calibration.half_width:.2f}, the {calibration.level:.0%} split-conformal interval
  of the {calibration.complexes} validation complexes. They also chose the epoch, so it is a little narrow.
- Exchanging ligand and receptor {swap}.

## Validation

Spearman {scores["spearman"]:.3f}, Pearson {scores["pearson"]:.3f}, RMSE {scores["rmse"]:.2f}, MAE \
{scores["mae"]:.2f} (ensemble mean). These numbers chose the epoch: `ppi evaluate` gives test figures.

| seed | validation Spearman | best epoch |
| --- | --- | --- |
{members}

## Settings

{settings}
"""
