"""The model card that is written into a model folder."""

from __future__ import annotations

from typing import Any

from ppi.models.affinity import AffinityModel
from ppi.models.calibration import Calibration


def model_card(model: AffinityModel, calibration: Calibration, manifest: dict[str, Any]) -> str:
    """Return the card of a freshly trained model: what it is and how it did on validation complexes."""
    config, scores = model.config, manifest["validation"]
    alike = all(head.swap_invariant for head in model.heads)
    swap = "changes nothing" if alike else "may change the prediction"
    tuned = "frozen" if config.tuning.frozen else f"trained: {config.tuning.method}"
    members = "\n".join(
        f"| {m['seed']} | {m['validation_spearman']:.3f} | {m['best_epoch']} of {m['epochs']} |"
        for m in manifest["members"]
    )
    settings = "\n".join(f"- {name}: {value}" for name, value in manifest["settings"].items())
    return f"""# {manifest["name"]}

Predicts pKd = -log10(Kd / M) of a protein complex from the sequences of its chains.

- Backbone `{config.backbone}` ({tuned}), mixer `{config.mixer}`, head `{config.head}`, pooling
  `{config.pooling}`, {config.members} member(s); the prediction is their mean.
- Trained on {manifest["training_complexes"]} complexes with exact labels (data sha256
  `{manifest["data_sha256"]}`); the best epoch was chosen on {manifest["validation_complexes"]} others.
- {calibration.description}
- Exchanging ligand and receptor {swap}.

## Validation

Spearman {scores["spearman"]:.3f}, Pearson {scores["pearson"]:.3f}, RMSE {scores["rmse"]:.2f}, MAE \
{scores["mae"]:.2f} (ensemble mean). These numbers chose the epoch: `ppi evaluate` gives test figures.

| seed | validation Spearman | best epoch |
| --- | --- | --- |
{members}

`training.csv` has every epoch.

## Settings

{settings}
"""
