"""What is recorded and logged while a member is trained."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
from lightning.pytorch.callbacks import Callback

from data_curation.files import atomic_file
from ppi.progress import Pace
from ppi.training.module import MONITOR

_LOG = logging.getLogger(__name__)


class EpochLog(Callback):
    """Records one row per epoch, in the checkpoint and in a CSV file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._started = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, rows: list[int], index: int
    ) -> None:
        if index == 0:
            self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append(
            {
                "epoch": trainer.current_epoch + 1,
                **metrics,
                "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
                "seconds": round(time.perf_counter() - self._started, 2),
            }
        )
        if trainer.is_global_zero:
            with atomic_file(self.path) as temporary:
                pd.DataFrame(self.rows).to_csv(temporary, index=False)


class ProgressLines(Callback):
    """Logs the progress of a member every 30 s if there is no terminal for a progress bar."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._pace = Pace()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        rows: list[int],
        index: int,
    ) -> None:
        if trainer.is_global_zero and self._pace.due():
            score = trainer.callback_metrics.get(MONITOR)
            _LOG.info(
                "seed %d: epoch %d of at most %d, batch %d of %d, last validation Spearman %s",
                self.seed,
                trainer.current_epoch + 1,
                trainer.max_epochs,
                index + 1,
                trainer.num_training_batches,
                "not known yet" if score is None else f"{float(score):.3f}",
            )
