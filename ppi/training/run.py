"""Run a training, from a table of complexes to a model folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.utilities import rank_zero_only

from data_curation.files import check_writable_folder
from data_curation.splits.clustering import mmseqs_version
from heads.base import Head
from ppi.backbones.base import Unit
from ppi.datasets import SHIPPED_DATASET, data_labels, open_dataset, split_dataset
from ppi.datasets.ratios import ratios_for
from ppi.devices import choose_device, native_dtype
from ppi.embedding.here import moved
from ppi.embedding.run import open_embeddings
from ppi.embedding.sources import LiveUnits, UnitEmbeddings
from ppi.errors import InputError, SettingsError, TrainingError
from ppi.io.tables import ComplexTable
from ppi.metrics import METRICS
from ppi.models.affinity import AffinityModel
from ppi.models.calibration import check_groups, fit_calibration, needed_groups
from ppi.models.config import ModelConfig
from ppi.models.folder import TrainedModel, load_model, save_model
from ppi.models.head_mix import measure_means
from ppi.models.readouts.names import NETWORK
from ppi.models.tuning import tuned_encoder
from ppi.prediction.anchoring import anchored_quantile
from ppi.prediction.engine import MemberPredictions, predict_members
from ppi.prediction.novelty import pair_identities
from ppi.provenance import code_provenance, table_sha256
from ppi.training.card import model_card
from ppi.training.data import AffinityData, Examples, make_examples, row_groups, row_weights
from ppi.training.diversification import diversified
from ppi.training.head_ranking import RANKED, Importance, rank_heads, with_best_heads
from ppi.training.loss_names import DIVERSIFICATION
from ppi.training.losses import RANKING
from ppi.training.member import Hardware, Member, Strategy, restore_best, train_member
from ppi.training.module import MONITOR, AffinityModule
from ppi.training.readout import fit_readout, partner_pairs
from ppi.training.recipes import recipe_settings
from ppi.training.sampling import drawn_rows
from ppi.training.scaling import fit_scaling
from ppi.training.settings import TrainSettings
from ppi.training.upcycling import Upcycling
from ppi.training.workspace import Workspace

_LOG = logging.getLogger(__name__)

FolderPath = str | os.PathLike[str] | None
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
        `ppi.training.member.Hardware`.
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
    full_table = open_dataset(data)
    table = split_dataset(full_table, split)
    train_part, validation_part = table.part("train"), table.part("validation")
    labels, measured = _labels(train_part, "training"), _labels(validation_part, "validation")
    _check_validation(table, validation_part)
    if hardware.processes > len(validation_part):
        raise SettingsError(
            f"there are {hardware.processes} processes, but only {len(validation_part)} validation "
            "complexes; each process needs at least one, so use fewer devices"
        )
    groups, draws = row_groups(train_part, settings)
    if settings.model.partner_score:
        partner_pairs(train_part, seed=settings.seed)  # This raises before the training.
    weights = row_weights(train_part)
    trained: TrainedModel | None = None
    upcycled = [] if upcycling is None else upcycling.sources
    with Workspace(target, resume=resume) as workspace:
        _new_folder(output)  # Another run may have written the folder in the meantime.
        request = {"settings": settings.flat(), "data_sha256": table_sha256(table)}
        settings, ranking = _with_heads(settings, train_part, workspace, hardware.device)
        config = _scaled(settings, labels, draws)
        if upcycling is not None:
            config = config.model_copy(update={"standardised": upcycling.config.standardised})
        model = AffinityModel(config, seed=settings.seed, trainable=True)
        if upcycling is not None:
            upcycling.fill(model)
        if DIVERSIFICATION in settings.losses:
            diversified(model.head, config)  # This raises before the training.
        examples = make_examples(model, train_part, labels, truncate=settings.truncate)
        examples = examples._replace(weight=weights, group=groups)
        if config.tuning.method == "head-mix":
            _measure_means(model, examples, settings.seed, hardware.device)
        checked = make_examples(model, validation_part, measured, truncate=settings.truncate)
        workspace.begin(
            {
                **request,
                **ranking,
                "backbone_identity": model.backbone.identity,
                "processes": hardware.processes,
                "upcycled": upcycled,
            }
        )
        task = _Task(settings, examples, checked, hardware, workspace, tensorboard)
        members = _train_members(model, task, store)
        if rank_zero_only.rank == 0:
            model = _finished(model, task)
            if model.readout is not None:
                fit_readout(model, train_part, labels, settings, device=hardware.device, store=store)
            elif settings.label_losses.keys() <= RANKING:
                predicted = _predictions(model, train_part, settings, hardware, store)
                scale_to_labels(model, predicted.pkd, labels)
            predicted = _predictions(model, validation_part, settings, hardware, store)
            recorded = {"data": data_labels(data, full_table, split), **ranking}
            if upcycled:
                recorded["upcycled"] = upcycled
            trained = _save(target, model, predicted, members, table, recorded, settings, validation_identity)
            workspace.remove()
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
    return trained or load_model(target)


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


def _new_folder(output: str | os.PathLike[str]) -> Path:
    target = check_writable_folder(output)
    if target.exists() and any(target.iterdir()):
        raise TrainingError(f"{output}: the folder is not empty; choose another folder, or delete this one")
    return target


def scale_to_labels(model: AffinityModel, predicted: np.ndarray, labels: np.ndarray) -> None:
    """Scale scores that were trained only by ranking to pKd, with a least-squares line for each member.

    Parameters
    ----------
    model
        Model, which is changed in place.
    predicted
        ``(M, N)`` scores of the complexes by each member.
    labels
        ``(N,)`` pKd of the complexes.

    Raises
    ------
    TrainingError
        If the scores of a member do not increase with the labels.
    """
    mean, std = model.config.label_mean, model.config.label_std
    for number, scores in enumerate(predicted):
        slope, intercept = np.polyfit(scores, labels, 1) if np.ptp(scores) > 0 else (0.0, 0.0)
        if slope <= 0:
            raise TrainingError(
                f"member {number + 1} does not rank its own training complexes; add a regression loss (mse, "
                "huber or gaussian) to the ranking loss"
            )
        head = cast(Head, model.heads[number])
        head.rescale(float(slope), float((slope * mean + intercept - mean) / std))


def _check_validation(table: ComplexTable, validation_part: ComplexTable) -> None:
    """Raise if there are too few validation groups for an interval; the message suggests split ratios."""
    targets = validation_part.targets()
    try:
        check_groups(targets)
    except InputError as error:
        remedy = ratios_for(len(table), len(targets), len(np.unique(targets)), needed_groups())
        raise InputError(f"{error}; {remedy}") from error


def _labels(part: ComplexTable, what: str) -> np.ndarray:
    labels = part.measured_pkd(what)
    if np.ptp(labels) == 0:
        raise InputError(f"all {len(labels)} {what} complexes have the same pKd, so there is nothing to rank")
    return labels


def _label_scale(labels: np.ndarray, draws: np.ndarray) -> tuple[float, float]:
    mean = float(np.average(labels, weights=draws))
    return mean, float(np.sqrt(np.average((labels - mean) ** 2, weights=draws)))


def _scaled(settings: TrainSettings, labels: np.ndarray, draws: np.ndarray) -> ModelConfig:
    """Return the configuration of the model with the values that training determines."""
    mean, std = _label_scale(labels, draws)
    model = settings.model
    found = {
        "heteroscedastic": "gaussian" in settings.losses,
        "standardised": model.readout == NETWORK and set(model.layers) != {-1},
        "label_mean": mean,
        "label_std": std,
    }
    return model.model_copy(update=found)


class _Task(NamedTuple):
    """The common inputs of all members of a run: data, settings, hardware and checkpoints."""

    settings: TrainSettings
    train: Examples
    validation: Examples
    hardware: Hardware
    workspace: Workspace
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


def _train_members(model: AffinityModel, task: _Task, store: FolderPath) -> list[Member]:
    if model.readout is not None and not model.head.learns_to_represent() and model.config.tuning.frozen:
        return []  # Only the read-out is fitted.
    units = [unit for part in (task.train, task.validation) for item in part.encoded for unit in item.units]
    members = []
    with _embeddings(model, units, task, store) as embeddings:
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


def _finished(model: AffinityModel, task: _Task) -> AffinityModel:
    """Return the trained model in the form in which it will be loaded."""
    if task.hardware.strategy == "fsdp":  # This process has only its share of the trained weights.
        model = AffinityModel(model.config, trainable=True)
        task.restore_best(model)
    model.finish_training()
    return model


@contextmanager
def _embeddings(
    model: AffinityModel, units: Sequence[Unit], task: _Task, store: FolderPath
) -> Iterator[UnitEmbeddings]:
    config = model.config
    if config.tuning.frozen:
        with open_embeddings(model.backbone, units, store=store, device=task.hardware.device) as embeddings:
            model.backbone.cpu()  # The backbone is no longer needed on the device.
            yield embeddings
    else:
        yield LiveUnits(model.backbone, native_dtype(config.precision))


def _predictions(
    model: AffinityModel, part: ComplexTable, settings: TrainSettings, hardware: Hardware, store: FolderPath
) -> MemberPredictions:
    return predict_members(
        model, part.complexes, truncate=settings.truncate, device=hardware.device, store=store
    )


def _save(
    target: Path,
    model: AffinityModel,
    predicted: MemberPredictions,
    members: Sequence[Member],
    table: ComplexTable,
    recorded: dict[str, Any],
    settings: TrainSettings,
    identity: np.ndarray | None,
) -> TrainedModel:
    train_part, validation_part = table.part("train"), table.part("validation")
    measured = validation_part.measured_pkd("validation")
    if identity is None:
        identity = pair_identities(train_part.complexes, validation_part.complexes)
    calibration = fit_calibration(
        measured, predicted.mean, predicted.spread, identity, validation_part.targets()
    )
    quantile = anchored_quantile(train_part.complexes, train_part.targets(), calibration.level)
    calibration = replace(calibration, anchored_quantile=quantile)
    chosen = settings.model
    manifest = {
        "name": _name(chosen),
        "settings": settings.flat(),
        "backbone_identity": model.backbone.identity,
        **recorded,
        "data_sha256": table_sha256(table),
        "training_complexes": len(train_part),
        "validation_complexes": len(validation_part),
        "validation": {name: metric(measured, predicted.mean) for name, metric in METRICS.items()},
        "members": [_summary(member) for member in members],
        **code_provenance(),
    }
    return save_model(
        target,
        model.cpu(),
        calibration=calibration,
        training_complexes=train_part.complexes,
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
