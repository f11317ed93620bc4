"""Run a training, from a table of complexes to a model folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_only

from data_curation.files import check_writable_folder
from data_curation.splits.clustering import mmseqs_version
from ppi.datasets import SHIPPED_DATASET, data_labels
from ppi.devices import choose_device, native_dtype
from ppi.embedding.here import moved
from ppi.errors import SettingsError, TrainingError
from ppi.io.tables import ComplexTable
from ppi.models.affinity import AffinityModel
from ppi.models.config import ModelConfig
from ppi.models.folder import TrainedModel, load_model
from ppi.models.head_mix import measure_means
from ppi.models.readouts.names import NETWORK
from ppi.models.tuning import tuned_encoder
from ppi.prediction.engine import MemberPredictions, predict_members
from ppi.provenance import table_sha256
from ppi.training.data import Examples, make_examples, row_groups, row_weights
from ppi.training.diversification import diversified
from ppi.training.ensemble import FolderPath, Task, finished, train_members
from ppi.training.hardware import Hardware, Strategy
from ppi.training.head_ranking import RANKED, Importance, rank_heads, with_best_heads
from ppi.training.labels import label_scale, scale_to_labels
from ppi.training.loss_names import DIVERSIFICATION
from ppi.training.losses import RANKING
from ppi.training.readout import fit_readout, partner_pairs
from ppi.training.recipes import recipe_settings
from ppi.training.sampling import drawn_rows
from ppi.training.save import save_trained
from ppi.training.settings import TrainSettings
from ppi.training.split_data import SplitData, read_split_data
from ppi.training.upcycling import Upcycling
from ppi.training.workspace import Workspace

#: Number of residues of the training complexes from which head-mix has its means.
MEAN_RESIDUES = 32_768


def train(
    data: str | os.PathLike[str] | ComplexTable = SHIPPED_DATASET,
    *,
    output: str | os.PathLike[str],
    split: str | os.PathLike[str] | None = None,
    settings: TrainSettings | None = None,
    upcycle: Sequence[str | os.PathLike[str]] = (),
    resume: bool = False,
    validation_identity: np.ndarray | None = None,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    strategy: Strategy = "auto",
    store: FolderPath = None,
    tensorboard: FolderPath = None,
) -> TrainedModel:
    """Train an ensemble of heads over a backbone, or a backbone and its head, and write the model folder.

    During training, checkpoints and logs are in ``OUTPUT.unfinished`` beside the model folder.

    Parameters
    ----------
    data
        Table with pKd; by default the bundled data set.
    output
        Model folder to write.
    split
        Column of the table, or CSV, with ``train`` and ``validation``; see `ppi.datasets.split_dataset`,
        which also excludes pKd values that are only bounds.
    settings
        Settings of the run; by default those of the recipe ``default``, the bundled model's.
    upcycle
        Model folders, whose members become the experts of the mixture that is trained, instead of random
        weights; the model settings are then theirs (`ppi.training.upcycling.Upcycling`).
    resume
        Resume an unfinished run of the same settings and data from its last epoch; the result is the same as
        without the interruption.
    validation_identity
        ``(N,)`` highest identity of each validation complex to a training chain, 0 to 1, if it is already
        known; by default it is searched for.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    devices, nodes, strategy
        Number of processes on each machine, number of machines, and strategy of Lightning; see
        `ppi.training.hardware.Hardware`.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    tensorboard
        Folder for TensorBoard event files.

    Returns
    -------
    TrainedModel
        The model, as `ppi.load_model` reads it from the folder.

    Raises
    ------
    ppi.errors.PpiError
        If the data or the settings are wrong, the folder is not empty, or the loss is not finite.
    data_curation.errors.OutputError, data_curation.errors.MMseqsError
        If the folder cannot be written, or MMseqs2 is absent; both are checked before the training starts.
    """
    upcycling = Upcycling.read(upcycle) if upcycle else None
    if upcycling is not None:
        settings = upcycling.settings(settings or TrainSettings())
    settings = settings or recipe_settings()
    target = _new_folder(output)
    hardware = Hardware(choose_device(device), devices, nodes, strategy)
    if strategy == "fsdp" and settings.model.tuning.frozen:
        raise SettingsError("strategy fsdp needs a backbone that is trained, but this one is frozen; use ddp")
    if validation_identity is None:
        mmseqs_version()  # This raises before the training if MMseqs2 is absent.
    parts = read_split_data(data, split)
    if hardware.processes > len(parts.validation):
        raise SettingsError(
            f"there are {hardware.processes} processes, but only {len(parts.validation)} validation "
            "complexes; each process needs at least one, so use fewer devices"
        )
    groups, draws = row_groups(parts.train, settings)
    if settings.model.partner_score:
        partner_pairs(parts.train, seed=settings.seed)  # This raises before the training.
    weights = row_weights(parts.train)
    trained: TrainedModel | None = None
    upcycled = {} if upcycling is None else {"upcycled": upcycling.sources}
    with Workspace(target, resume=resume) as workspace:
        _new_folder(output)  # Another run may have written the folder in the meantime.
        request = {"settings": settings.flat(), "data_sha256": table_sha256(parts.table)}
        settings, ranking = _with_heads(settings, parts.train, workspace, hardware.device)
        model = _new_model(settings, parts.train_labels, draws, upcycling)
        examples = make_examples(model, parts.train, parts.train_labels, truncate=settings.truncate)
        examples = examples._replace(weight=weights, group=groups)
        if model.config.tuning.method == "head-mix":
            _measure_means(model, examples, settings.seed, hardware.device)
        checked = make_examples(model, parts.validation, parts.validation_labels, truncate=settings.truncate)
        begun = {"backbone_identity": model.backbone.identity, "processes": hardware.processes}
        workspace.begin(request | ranking | begun | {"upcycled": upcycled.get("upcycled", [])})
        task = Task(settings, examples, checked, hardware, workspace, store, tensorboard)
        members = train_members(model, task)
        if rank_zero_only.rank == 0:
            model = finished(model, task)
            _fit_output(model, parts, task)
            predicted = _predictions(model, parts.validation, task)
            recorded = {"data": data_labels(data, parts.full, split), **ranking, **upcycled}
            trained = save_trained(
                target, model, predicted, members, parts, recorded, settings, validation_identity
            )
            workspace.remove()
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
    return trained or load_model(target)


def _new_model(
    settings: TrainSettings, labels: np.ndarray, draws: np.ndarray, upcycling: Upcycling | None
) -> AffinityModel:
    """Return the model with the weights that training starts from."""
    config = _scaled(settings, labels, draws)
    if upcycling is not None:
        config = config.model_copy(update={"standardised": upcycling.config.standardised})
    model = AffinityModel(config, seed=settings.seed, trainable=True)
    if upcycling is not None:
        upcycling.fill(model)
    if DIVERSIFICATION in settings.losses:
        diversified(model.head, config)  # This raises before the training.
    return model


def _with_heads(
    settings: TrainSettings, part: ComplexTable, workspace: Workspace, device: str
) -> tuple[TrainSettings, dict[str, Importance]]:
    """Return the settings with the names of the attention heads to train, and the ranking to record if the
    heads were given as a share; a run that continues has that of its beginning.
    """
    if settings.model.tuning.share is None:
        return settings, {}
    importance = workspace.recorded.get(RANKED) or rank_heads(settings, part.complexes, device)
    return with_best_heads(settings, importance), {RANKED: importance}


def _measure_means(model: AffinityModel, train: Examples, seed: int, device: str) -> None:
    """Set the means of head-mix to those over training complexes that are drawn with the seed."""
    rows = drawn_rows(train.lengths, MEAN_RESIDUES, seed)
    units = {unit: None for row in rows for unit in train.encoded[row].units}
    encoder = tuned_encoder(moved(model.backbone, device), model.config.tuning)
    measure_means(encoder, list(units), native_dtype(model.config.precision))
    encoder.cpu()


def _fit_output(model: AffinityModel, parts: SplitData, task: Task) -> None:
    """Fit what follows the trained heads: the read-out, or the scale of scores that only rank."""
    settings = task.settings
    if model.readout is not None:
        device, store = task.hardware.device, task.store
        fit_readout(model, parts.train, parts.train_labels, settings, device=device, store=store)
    elif settings.label_losses.keys() <= RANKING:
        scale_to_labels(model, _predictions(model, parts.train, task).pkd, parts.train_labels)


def _predictions(model: AffinityModel, part: ComplexTable, task: Task) -> MemberPredictions:
    truncate, device = task.settings.truncate, task.hardware.device
    return predict_members(model, part.complexes, truncate=truncate, device=device, store=task.store)


def _new_folder(output: str | os.PathLike[str]) -> Path:
    target = check_writable_folder(output)
    if target.exists() and any(target.iterdir()):
        raise TrainingError(f"{output}: the folder is not empty; choose another folder, or delete this one")
    return target


def _scaled(settings: TrainSettings, labels: np.ndarray, draws: np.ndarray) -> ModelConfig:
    """Return the configuration of the model with the values that training determines."""
    mean, std = label_scale(labels, draws)
    model = settings.model
    found = {
        "heteroscedastic": "gaussian" in settings.losses,
        "standardised": model.readout == NETWORK and set(model.layers) != {-1},
        "label_mean": mean,
        "label_std": std,
    }
    return model.model_copy(update=found)
