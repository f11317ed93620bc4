"""Train the members of an ensemble, one after another."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, cast

import lightning
from lightning.pytorch.utilities import rank_zero_only

from heads.base import Head
from ppi.backbones.base import Unit
from ppi.devices import native_dtype
from ppi.embedding.run import open_embeddings
from ppi.embedding.sources import LiveUnits, UnitEmbeddings
from ppi.errors import PpiWarning
from ppi.models.affinity import AffinityModel
from ppi.training.data import AffinityData, Examples
from ppi.training.hardware import Hardware
from ppi.training.member import Member, restore_best, train_member
from ppi.training.module import MONITOR, AffinityModule
from ppi.training.scaling import fit_scaling
from ppi.training.settings import TrainSettings
from ppi.training.workspace import Workspace

_LOG = logging.getLogger(__name__)

#: Settings of the training in epochs.
_OF_EPOCHS = (
    "losses",
    "max_epochs",
    "patience",
    "learning_rate",
    "weight_decay",
    "warmup_fraction",
    "schedule",
    "batch_residues",
)

FolderPath = str | os.PathLike[str] | None


class Task(NamedTuple):
    """The common inputs of all members of a run: settings, data, hardware, checkpoints and other folders."""

    settings: TrainSettings
    train: Examples
    validation: Examples
    hardware: Hardware
    workspace: Workspace
    store: FolderPath
    tensorboard: FolderPath

    def train_member(self, model: AffinityModel, embeddings: UnitEmbeddings, number: int) -> Member:
        """Train one head of the model in place, and the backbone where it is tuned; keep the best epoch."""
        seed = self.settings.seed + number
        lightning.seed_everything(seed, verbose=False)
        data = AffinityData(self.train, self.validation, self.settings, seed)
        steps = len(data.sampler(world_size=self.hardware.processes)) * self.settings.max_epochs
        head = cast(Head, model.heads[number])
        module = AffinityModule(head, embeddings, self.train, self.validation, self.settings, steps, seed)
        folder = self.workspace.member(number)
        member = train_member(module, data, folder, self.hardware, tensorboard=self.tensorboard)
        if self.hardware.strategy != "fsdp":
            restore_best(module, folder)
        return member

    def restore_best(self, model: AffinityModel) -> None:
        """Load the weights of the best epoch into the only head and the tuned backbone of a model."""
        live = LiveUnits(model.backbone)
        head = cast(Head, model.heads[0])
        module = AffinityModule(head, live, self.train, self.validation, self.settings, 1, self.settings.seed)
        restore_best(module, self.workspace.member(0))


def train_members(model: AffinityModel, task: Task) -> list[Member]:
    """Train the heads of a model one after another, in place; none where only the read-out is fitted.

    Parameters
    ----------
    model
        With random weights, or those that training starts from.
    task
        What to train on.

    Raises
    ------
    ppi.errors.PpiError
        If the loss is not finite, or the embeddings cannot be computed or kept.
    """
    if model.readout is not None and not model.head.learns_to_represent() and model.config.tuning.frozen:
        _warn_of_unused(task.settings)
        return []
    units = [unit for part in (task.train, task.validation) for item in part.encoded for unit in item.units]
    members = []
    with _embeddings(model, units, task) as embeddings:
        if model.config.standardised:
            fit_scaling(model, embeddings, task.train.encoded)
        for number in range(model.config.heads):
            member = task.train_member(model, embeddings, number)
            members.append(member)
            if rank_zero_only.rank == 0:
                _LOG.info(
                    "member %d of %d (seed %d): validation Spearman %.3f in epoch %.0f of %d",
                    number + 1,
                    model.config.heads,
                    member.seed,
                    member.best[MONITOR],
                    member.best["epoch"],
                    len(member.log),
                )
    return members


def _warn_of_unused(settings: TrainSettings) -> None:
    """Warn of settings of the training in epochs that differ from their defaults."""
    default = TrainSettings()
    unused = [name for name in _OF_EPOCHS if getattr(settings, name) != getattr(default, name)]
    if unused:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in unused)
        warnings.warn(
            f"{flags}: not used, because the read-out {settings.model.readout} is fitted to vectors of a "
            "frozen backbone, without training in epochs; the recipes network and finetune have epochs",
            PpiWarning,
            stacklevel=2,
        )


def finished(model: AffinityModel, task: Task) -> AffinityModel:
    """Return the trained model in the form in which it will be loaded."""
    if task.hardware.strategy == "fsdp":  # This process has only its share of the trained weights.
        model = AffinityModel(model.config, trainable=True)
        task.restore_best(model)
    model.finish_training()
    return model


@contextmanager
def _embeddings(model: AffinityModel, units: Sequence[Unit], task: Task) -> Iterator[UnitEmbeddings]:
    config = model.config
    if config.tuning.frozen:
        with open_embeddings(
            model.backbone, units, store=task.store, device=task.hardware.device
        ) as embeddings:
            model.backbone.cpu()  # The backbone is no longer needed on the device.
            yield embeddings
    else:
        yield LiveUnits(model.backbone, native_dtype(config.precision))
