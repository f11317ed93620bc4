"""The Lightning module: a head learns standardised pKd over frozen residue embeddings."""

from __future__ import annotations

import math

import lightning
import torch
from torch import Tensor

from heads.base import Head
from ppi.errors import TrainingError
from ppi.evaluation.metrics import spearman
from ppi.training.data import Batch
from ppi.training.settings import TrainSettings

MONITOR = "validation_spearman"


class AffinityModule(lightning.LightningModule):
    """Mean squared error on standardised pKd, AdamW with warm-up and cosine decay.

    Parameters
    ----------
    head
        The head to train.
    settings
        Of the run.
    steps
        Optimiser steps of the whole run, for the schedule.
    """

    def __init__(self, head: Head, settings: TrainSettings, steps: int) -> None:
        super().__init__()
        self.head, self.settings, self.steps = head, settings, steps
        self._validation: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: Batch, index: int) -> Tensor:
        loss = weighted_mse(self.head(batch.complexes), batch.target, batch.weight)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss.item()} in batch {index + 1} of epoch {self.current_epoch + 1}; "
                "a lower learning rate may help"
            )
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(batch.target))
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        self._validation.append((self.head(batch.complexes), batch.target))

    def on_validation_epoch_end(self) -> None:
        predicted, target = (torch.cat(parts).cpu().numpy() for parts in zip(*self._validation, strict=True))
        self._validation.clear()
        self.log(MONITOR, spearman(target, predicted), prog_bar=True)
        self.log("validation_loss", float(((predicted - target) ** 2).mean()))

    def configure_optimizers(self) -> dict[str, object]:
        optimizer = torch.optim.AdamW(
            self.head.parameters(), lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay
        )
        warmup = max(1, round(self.settings.warmup_fraction * self.steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: warmup_cosine(step, warmup, self.steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def weighted_mse(predicted: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the weighted mean squared error of ``(B,)`` predictions."""
    return (weight * (predicted - target) ** 2).sum() / weight.sum()


def warmup_cosine(step: int, warmup: int, steps: int) -> float:
    """Return the factor of the learning rate: linear to 1 over `warmup` steps, cosine to 0 at `steps`."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))
