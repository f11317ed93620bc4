"""One training run: from a table of complexes to a model folder."""

from __future__ import annotations

import logging
import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from data_curation.files import check_writable_folder
from heads.base import Head
from ppi.datasets import SHIPPED_DATASET, split_dataset
from ppi.devices import choose_device
from ppi.embedding.run import open_embeddings
from ppi.embedding.units import EncodedComplex, encode_complexes, say_truncated
from ppi.errors import InputError
from ppi.evaluation.metrics import METRICS
from ppi.io.tables import ComplexTable
from ppi.models.affinity import AffinityModel
from ppi.models.config import ModelConfig
from ppi.models.folder import Calibration, TrainedModel, load_model, save_model
from ppi.prediction.engine import predict_members
from ppi.provenance import code_provenance, table_sha256
from ppi.training.card import model_card
from ppi.training.data import AffinityData, Examples
from ppi.training.module import MONITOR, AffinityModule
from ppi.training.settings import TrainSettings

INTERVAL_LEVEL = 0.9
#: Fewer validation complexes cannot give a finite interval at this level.
SMALLEST_CALIBRATION = 9
GRADIENT_CLIP = 1.0


class Member(NamedTuple):
    """One trained head and how its training went."""

    weights: dict[str, torch.Tensor]
    seed: int
    best_epoch: int
    epochs: int
    validation_spearman: float
    seconds: float


def train(
    data: str | os.PathLike[str] | ComplexTable = SHIPPED_DATASET,
    *,
    output: str | os.PathLike[str],
    split: str | os.PathLike[str] | None = None,
    settings: TrainSettings | None = None,
    device: str = "auto",
    store: str | os.PathLike[str] | None = None,
) -> TrainedModel:
    """Train an ensemble of heads over a frozen backbone and write its model folder.

    Parameters
    ----------
    data
        Table with pKd; the data set that ships in the package by default.
    output
        Model folder to write.
    split
        Column of the table or CSV that has ``train`` and ``validation``; see
        `ppi.datasets.split_dataset`, which also leaves out bounds.
    settings
        Of the run; the defaults are described there.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.

    Returns
    -------
    TrainedModel
        As loaded from the folder.

    Raises
    ------
    ppi.errors.PpiError
        If the data or the settings are wrong.
    data_curation.errors.OutputError
        If the folder cannot be written; said before the training starts.
    """
    settings = settings or TrainSettings()
    target = check_writable_folder(output)
    place = choose_device(device)
    table = split_dataset(data, split)
    train_part, validation_part = table.part("train"), table.part("validation")
    if len(validation_part) < SMALLEST_CALIBRATION:
        raise InputError(
            f"{len(validation_part)} validation complex(es); at least {SMALLEST_CALIBRATION} are needed to "
            f"calibrate a {INTERVAL_LEVEL:.0%} interval"
        )
    labels, measured = _labels(train_part, "training"), _labels(validation_part, "validation")
    groups, draws = _groups(train_part, settings)
    mean, std = _label_scale(labels, draws)
    config = ModelConfig(
        backbone=settings.backbone,
        layers=settings.layers,
        precision=settings.precision,
        head=settings.head,
        mixer=settings.mixer,
        pooling=settings.pooling,
        head_options=settings.head_options,
        mixer_options=settings.mixer_options,
        pooling_options=settings.pooling_options,
        members=settings.members,
        label_mean=mean,
        label_std=std,
    )
    model = AffinityModel(config)
    cut = settings.truncate
    train_examples = _examples(model, train_part, labels, groups, cut)
    validation_examples = _examples(model, validation_part, measured, np.arange(len(validation_part)), cut)
    units = _all_units(train_examples.encoded, validation_examples.encoded)
    members = []
    with open_embeddings(model.backbone, units, store=store, device=place) as embeddings:
        for number, head in enumerate(model.heads):
            seed = settings.seed + number
            data_module = AffinityData(
                embeddings,
                train_examples,
                validation_examples,
                per_group=settings.per_group if settings.balance != "none" else len(train_part),
                budget=settings.batch_residues,
                seed=seed,
            )
            member = _train_member(model, number, data_module, settings, seed, place)
            head.load_state_dict(member.weights)
            members.append(member)

    again = predict_members(model, validation_part.complexes, truncate=cut, device=place, store=store)
    predicted = again.mean
    calibration = calibrate(measured, predicted)
    manifest = _manifest(model.backbone.identity, table, settings, members, measured, predicted)
    swap_invariant = all(head.swap_invariant for head in model.heads)
    chains = {chain for item in train_part.complexes for chain in item.chains}
    save_model(
        target,
        model.cpu(),
        calibration=calibration,
        training_chains=chains,
        manifest=manifest,
        card=model_card(model.config, swap_invariant, calibration, manifest),
    )
    return load_model(target)


def calibrate(measured: np.ndarray, predicted: np.ndarray, level: float = INTERVAL_LEVEL) -> Calibration:
    """Return the split-conformal half-width at `level` from validation residuals, in pKd units."""
    residuals = np.sort(np.abs(measured - predicted))
    rank = min(len(residuals), math.ceil((len(residuals) + 1) * level))
    return Calibration(level=level, half_width=float(residuals[rank - 1]), complexes=len(residuals))


def _groups(part: ComplexTable, settings: TrainSettings) -> tuple[np.ndarray, np.ndarray]:
    """Return the group of each row and how often an epoch draws it on average."""
    if settings.balance == "none":
        return np.arange(len(part)), np.ones(len(part))
    if settings.balance not in part.columns:
        raise InputError(
            f"the table has no column {settings.balance!r}, which --balance {settings.balance} needs; "
            "--balance none trains on all rows alike"
        )
    names = part.columns[settings.balance]
    if names.isna().any():
        name = part.complexes[int(names.isna().to_numpy().argmax())].id
        raise InputError(f"complex {name!r} has no {settings.balance}, which --balance needs")
    _, group, sizes = np.unique(names.astype(str), return_inverse=True, return_counts=True)
    return group, np.minimum(sizes, settings.per_group)[group] / sizes[group]


def _labels(part: ComplexTable, what: str) -> np.ndarray:
    labels = part.measured_pkd(what)
    if np.ptp(labels) == 0:
        raise InputError(f"all {len(labels)} {what} complexes have the same pKd: there is nothing to rank")
    return labels


def _label_scale(labels: np.ndarray, draws: np.ndarray) -> tuple[float, float]:
    mean = float(np.average(labels, weights=draws))
    return mean, float(np.sqrt(np.average((labels - mean) ** 2, weights=draws)))


def _examples(
    model: AffinityModel, part: ComplexTable, labels: np.ndarray, group: np.ndarray, truncate: bool
) -> Examples:
    encoded, truncated = encode_complexes(
        part.complexes,
        model.encoding_unit,
        model.backbone.max_residues,
        truncate=truncate,
        both_orders=model.both_orders,
    )
    say_truncated(part.complexes, truncated)
    target = (labels - model.config.label_mean) / model.config.label_std
    weight: np.ndarray = np.ones(len(part))
    if "weight" in part.columns:
        weight = pd.to_numeric(part.columns["weight"], errors="coerce").to_numpy(dtype=np.float64)
        if not (np.isfinite(weight).all() and (weight > 0).all()):
            raise InputError("a weight is missing or not above zero; finite numbers above zero were expected")
    return Examples(encoded, target, weight, group)


def _all_units(*parts: Sequence[EncodedComplex]) -> list[tuple[str, ...]]:
    return [unit for part in parts for item in part for unit in item.units]


def _train_member(
    model: AffinityModel,
    number: int,
    data: AffinityData,
    settings: TrainSettings,
    seed: int,
    device: str,
) -> Member:
    _quiet_lightning()
    lightning.seed_everything(seed, workers=True, verbose=False)
    head = _fresh_head(model)
    steps = len(data.sampler.batches(0)) * settings.max_epochs
    stopping = EarlyStopping(MONITOR, mode="max", patience=settings.patience)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="ppi-train-") as folder:
        best = ModelCheckpoint(folder, monitor=MONITOR, mode="max", save_weights_only=True)
        trainer = lightning.Trainer(
            accelerator="gpu" if device.startswith("cuda") else "cpu",
            devices=[int(device.partition(":")[2] or 0)] if device.startswith("cuda") else 1,
            max_epochs=settings.max_epochs,
            callbacks=[stopping, best],
            gradient_clip_val=GRADIENT_CLIP,
            logger=False,
            enable_model_summary=False,
            enable_progress_bar=sys.stderr.isatty(),
            num_sanity_val_steps=0,
        )
        trainer.fit(AffinityModule(head, settings, steps), data)
        state = torch.load(best.best_model_path, weights_only=True)["state_dict"]
    score = float(best.best_model_score)
    epochs = trainer.current_epoch
    best_epoch = int(best.best_model_path.split("epoch=")[1].split("-")[0])
    print(
        f"member {number + 1} of {settings.members} (seed {seed}): validation Spearman {score:.3f} "
        f"in epoch {best_epoch + 1} of {epochs}",
        file=sys.stderr,
    )
    weights = {name.removeprefix("head."): tensor for name, tensor in state.items()}
    return Member(weights, seed, best_epoch, epochs, score, time.perf_counter() - started)


def _fresh_head(model: AffinityModel) -> Head:
    """Make one head after the seed is set, so that a member does not depend on how many there are."""
    return model.config.build_head(model.backbone.dim)


def _quiet_lightning() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    # Embeddings come at memory speed: loader processes would only copy them.
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*`isinstance\\(treespec, LeafSpec\\)` is deprecated.*")


def _manifest(
    backbone_identity: str,
    table: ComplexTable,
    settings: TrainSettings,
    members: Sequence[Member],
    measured: np.ndarray,
    predicted: np.ndarray,
) -> dict[str, Any]:
    return {
        "name": f"{Path(settings.backbone).name}-{settings.mixer}-{settings.head}-x{settings.members}",
        "settings": settings.model_dump(),
        "backbone_identity": backbone_identity,
        "data_sha256": table_sha256(table),
        "training_complexes": len(table.part("train")),
        "validation_complexes": len(table.part("validation")),
        "validation": {name: metric(measured, predicted) for name, metric in METRICS.items()},
        "members": [
            {
                "seed": member.seed,
                "validation_spearman": member.validation_spearman,
                "best_epoch": member.best_epoch + 1,
                "epochs": member.epochs,
                "seconds": round(member.seconds, 1),
            }
            for member in members
        ],
        **code_provenance(),
    }
