"""What embedding complexes will cost, before it starts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from heads.names import EncodingUnit
from ppi.backbones.base import Backbone, Unit
from ppi.devices import Precision, choose_devices
from ppi.embedding.elsewhere import open_workers
from ppi.embedding.embed import encoded_data
from ppi.embedding.here import moved
from ppi.embedding.rates import predict_seconds
from ppi.embedding.store import HEADER_FILE, EmbeddingStore, disk_dtype, store_folder
from ppi.embedding.units import unit_length
from ppi.engines.build import EngineName, build_engine
from ppi.io.tables import ComplexTable
from ppi.io.text import format_bytes, format_duration


@dataclass(frozen=True)
class EmbeddingEstimate:
    """What embedding complexes costs.

    Attributes
    ----------
    units, missing
        How many distinct units there are, and how many of them are not in the store.
    residues
        Residues of the missing units.
    seconds
        Predicted time to embed the missing units.
    disk_bytes
        Disk space that they take in the store.
    """

    units: int
    missing: int
    residues: int
    seconds: float
    disk_bytes: float

    def describe(self) -> str:
        """Return the estimate as a line of text."""
        return (
            f"{self.missing:,} of {self.units:,} units are not embedded yet ({self.residues:,} residues): "
            f"about {format_duration(self.seconds)} and {format_bytes(self.disk_bytes)} of disk"
        )


def estimate_embedding(
    data: str | os.PathLike[str] | ComplexTable,
    *,
    backbone: str,
    unit: EncodingUnit = "chain",
    layers: Sequence[int] = (-1,),
    precision: Precision = "auto",
    store: str | os.PathLike[str] | None = None,
    device: str = "auto",
    token_budget: int | None = None,
    truncate: bool = False,
    engine: EngineName = "local",
    workers: int | None = None,
) -> EmbeddingEstimate:
    """Predict the time and the disk space of `ppi.embedding.embed.embed`; nothing is written.

    The first of the devices is measured for about a second (`ppi.embedding.rates`); the others are taken to
    be as fast. For a remote engine the processors of this machine are measured, whatever its workers have.

    Parameters
    ----------
    data, backbone, unit, layers, precision, store, device, token_budget, truncate, engine, workers
        See `ppi.embedding.embed.embed`.

    Raises
    ------
    ppi.errors.PpiError
        If the data, an option, the backbone or the store is wrong.
    """
    devices = ["cpu"] if build_engine(engine).remote else choose_devices(device)
    _, encoded, _, model = encoded_data(
        data, backbone=backbone, unit=unit, layers=layers, precision=precision, truncate=truncate
    )
    units = sorted({part for item in encoded for part in item.units})
    missing = _missing(units, store, model)
    residues = sum(map(unit_length, missing))
    with open_workers(engine, device, workers) as opened:
        # A worker of a remote engine is taken as one of the threads that are measured here.
        share = (
            len(set(devices))
            if opened is None
            else opened.engine.workers(opened.resources) / torch.get_num_threads()
        )
    seconds = predict_seconds(moved(model, devices[0]), missing, devices[0], token_budget=token_budget)
    return EmbeddingEstimate(
        units=len(units),
        missing=len(missing),
        residues=residues,
        seconds=seconds / share,
        disk_bytes=residues * model.dim * disk_dtype(model).itemsize,
    )


def _missing(units: list[Unit], store: str | os.PathLike[str] | None, backbone: Backbone) -> list[Unit]:
    """Return the units that a store lacks, which need not exist."""
    if not (store_folder(store, backbone) / HEADER_FILE).exists():
        return units
    with EmbeddingStore(store, backbone, readonly=True) as kept:
        return kept.missing(units)
