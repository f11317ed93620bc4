"""The model card that is written into a model folder."""

from __future__ import annotations

from typing import Any

from ppi.models.affinity import AffinityModel
from ppi.models.calibration import Calibration


def model_card(model: AffinityModel, calibration: Calibration, manifest: dict[str, Any]) -> str:
    """Return the model card of a trained model: a description and its validation scores."""
    config, scores = model.config, manifest["validation"]
    swap = "changes nothing" if model.swap_invariant else "may change the prediction"
    tuned = "frozen" if config.tuning.frozen else f"trained: {config.tuning.method}"
    settings = "\n".join(f"- {name}: {value}" for name, value in manifest["settings"].items())
    return f"""# {manifest["name"]}

Predicts pKd = -log10(Kd / M) of a protein complex from the sequences of its chains.

- Backbone `{config.backbone}` ({tuned}), mixer `{config.mixer}`, head `{config.head}`, pooling
  `{config.pooling}`, read-out `{config.readout}`, {config.members} member(s); the prediction is their mean.
- Trained on {manifest["training_complexes"]} complexes with exact labels (data sha256
  `{manifest["data_sha256"]}`); {manifest["validation_complexes"]} others calibrated the interval.
- {calibration.description}
- Exchanging ligand and receptor {swap}.

## Validation

Spearman {scores["spearman"]:.3f}, Pearson {scores["pearson"]:.3f}, RMSE {scores["rmse"]:.2f}, MAE \
{scores["mae"]:.2f} (ensemble mean). `ppi evaluate` gives test figures.
{_epochs(manifest["members"])}
## Settings

{settings}
"""


def _epochs(members: list[dict[str, Any]]) -> str:
    """Return the table of trained heads, or nothing if only a read-out was fitted."""
    if not members:
        return ""
    rows = "\n".join(
        f"| {member['seed']} | {member['validation_spearman']:.3f} | {member['best_epoch']} of "
        f"{member['epochs']} |"
        for member in members
    )
    return f"""The validation complexes also chose the best epoch; `training.csv` has every one.

| seed | validation Spearman | best epoch |
| --- | --- | --- |
{rows}
"""
