"""Train one member of an ensemble with Lightning, from scratch or from its last checkpoint."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import lightning
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from ppi.errors import SettingsError, TrainingError
from ppi.models.files import LOG_FILE
from ppi.training.callbacks import EpochLog, ProgressLines
from ppi.training.data import AffinityData
from ppi.training.hardware import Hardware
from ppi.training.module import MONITOR, AffinityModule

_LOG = logging.getLogger(__name__)
BEST, LAST = "best.ckpt", "last.ckpt"


class Member(NamedTuple):
    """The result of training a member.

    Attributes
    ----------
    log
        One row per epoch.
    seed
        Seed of the member.
    """

    log: pd.DataFrame
    seed: int

    @property
    def best(self) -> pd.Series:
        """The epoch whose weights are kept."""
        return self.log.iloc[int(self.log[MONITOR].argmax())]


class _Best(ModelCheckpoint):
    """A checkpoint callback that finds its best checkpoint even if the folder was moved."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        path = str(Path(str(self.dirpath)) / BEST)
        moved: dict[str, Any] = {
            "dirpath": self.dirpath,
            "best_model_path": path,
            "kth_best_model_path": path,
        }
        moved["best_k_models"] = dict.fromkeys([path], state_dict["best_model_score"])
        super().load_state_dict(state_dict | moved)


@contextmanager
def _interrupts_as_they_are() -> Iterator[None]:
    """Raise KeyboardInterrupt at Ctrl-C, which Lightning would convert to an exit with status 1."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            signal.signal(signal.SIGINT, before)
            raise KeyboardInterrupt from error
        raise


def train_member(
    module: AffinityModule,
    data: AffinityData,
    folder: Path,
    hardware: Hardware,
    tensorboard: str | os.PathLike[str] | None = None,
) -> Member:
    """Train until the validation Spearman stops rising; `restore_best` then loads the best epoch.

    Parameters
    ----------
    module, data
        Module to train, and its data.
    folder
        Folder for checkpoints and the log; if it has a checkpoint, the run resumes from it.
    hardware
        Hardware to train on.
    tensorboard
        Folder for TensorBoard event files.

    Raises
    ------
    TrainingError
        If the loss is not finite; the last good checkpoint remains in the folder.
    """
    _quiet_lightning()
    settings = module.settings
    log, last = EpochLog(folder / LOG_FILE), folder / LAST
    stopping = EarlyStopping(MONITOR, mode="max", patience=settings.patience)
    options: dict[str, Any] = {"dirpath": str(folder), "save_on_train_epoch_end": True}
    options["enable_version_counter"] = False
    best = _Best(filename="best", monitor=MONITOR, mode="max", save_weights_only=True, **options)
    callbacks: list[Callback] = [log, stopping, best, ModelCheckpoint(filename="last", **options)]
    if sys.stderr.isatty():
        callbacks.append(RichProgressBar(leave=True, console_kwargs={"stderr": True}))
    else:
        callbacks.append(ProgressLines(module.seed))
    trainer = lightning.Trainer(
        **hardware.trainer_flags(),
        max_epochs=settings.max_epochs,
        callbacks=callbacks,
        logger=_tensorboard(tensorboard, folder.name),
        enable_model_summary=False,
        enable_progress_bar=sys.stderr.isatty(),
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        use_distributed_sampler=False,
        # Without this, every epoch would end after as many batches as the first one.
        reload_dataloaders_every_n_epochs=1,
    )
    if last.exists():
        log.load_state_dict(_callback_state(last))
    if not _finished(log, settings.max_epochs, settings.patience):
        try:
            with _interrupts_as_they_are():
                trainer.fit(module, data, ckpt_path=last if last.exists() else None)
        except TrainingError as error:
            kept = f"; the best epoch before is in {folder / BEST}" if last.exists() else ""
            raise TrainingError(f"seed {module.seed}: {error}{kept}") from error
    return Member(pd.DataFrame(log.rows), module.seed)


def restore_best(module: AffinityModule, folder: Path) -> None:
    """Load the weights of the best epoch into a module; weights that were not trained are unchanged.

    Parameters
    ----------
    module
        Module, which is changed in place.
    folder
        Folder with the checkpoints of `train_member`.
    """
    state = torch.load(folder / BEST, weights_only=True, map_location="cpu")["state_dict"]
    module.load_state_dict(state, strict=False)


def _finished(log: EpochLog, max_epochs: int, patience: int) -> bool:
    """Return whether a stopped run had already reached its end."""
    scores = [row[MONITOR] for row in log.rows]
    without_better = len(scores) - 1 - scores.index(max(scores)) if scores else 0
    return len(scores) >= max_epochs or without_better >= patience


def _callback_state(path: Path) -> dict[str, Any]:
    callbacks = torch.load(path, weights_only=True, map_location="cpu")["callbacks"]
    state: dict[str, Any] = callbacks[EpochLog.__qualname__]
    return state


def _tensorboard(folder: str | os.PathLike[str] | None, name: str) -> TensorBoardLogger | Literal[False]:
    if folder is None:
        return False
    try:
        return TensorBoardLogger(str(folder), name=name, version="")
    except ModuleNotFoundError as error:
        raise SettingsError(
            "--tensorboard needs the package tensorboard: pip install 'ppi-affinity[tensorboard]'"
        ) from error


def _quiet_lightning() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    # Row numbers are in memory, so loader processes would only copy them.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*exists and is not empty.*")  # This occurs in a resumed run.
    warnings.filterwarnings("ignore", ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*")
