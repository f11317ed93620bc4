"""What embedding complexes will cost, before it starts."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch

from ppi.backbones.base import Backbone, Unit
from ppi.embedding.header import HEADER_FILE, disk_dtype, store_folder
from ppi.embedding.here import moved
from ppi.embedding.job import EmbeddingJob
from ppi.embedding.rates import predict_seconds
from ppi.embedding.store import EmbeddingStore
from ppi.embedding.units import unit_length
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


def estimate_embedding(job: EmbeddingJob) -> EmbeddingEstimate:
    """Predict the time and the disk space of `ppi.embedding.embed.embed_job`; nothing is written.

    The first of the devices is measured for about a second (`ppi.embedding.rates`); the others are taken to
    be as fast. For a remote engine the processors of this machine are measured, whatever its workers have.

    Raises
    ------
    ppi.errors.PpiError
        If the data, an option, the backbone or the store is wrong.
    """
    devices = job.devices() or ["cpu"]
    _, encoded, _, model = job.encoded()
    units = sorted({part for item in encoded for part in item.units})
    missing = _missing(units, job.store, model)
    residues = sum(map(unit_length, missing))
    with job.open_workers() as opened:
        # A worker of a remote engine is taken as one of the threads that are measured here.
        share = (
            len(set(devices))
            if opened is None
            else opened.engine.workers(opened.resources) / torch.get_num_threads()
        )
    seconds = predict_seconds(moved(model, devices[0]), missing, devices[0], token_budget=job.token_budget)
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
