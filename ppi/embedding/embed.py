"""Embed complexes into the store, and export the embeddings to a file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple, get_args

from data_curation.files import check_writable_file, refuse_overwriting
from heads.names import EncodingUnit
from heads.ragged import LIGAND
from ppi.backbones.base import Unit
from ppi.complexes import Complex
from ppi.devices import Precision
from ppi.embedding import Pool
from ppi.embedding.export import check_suffix, export
from ppi.embedding.job import EmbeddingJob
from ppi.embedding.run import fill_store
from ppi.embedding.store import EmbeddingStore
from ppi.embedding.units import EncodedComplex
from ppi.engines.build import EngineName
from ppi.errors import InputError
from ppi.io.tables import ComplexTable


class EmbeddingSummary(NamedTuple):
    """Counts of distinct units, newly embedded units and shortened complexes, and the folder of the store."""

    units: int
    embedded: int
    truncated: int
    store: str


def embed(
    data: str | os.PathLike[str] | ComplexTable,
    *,
    backbone: str,
    unit: EncodingUnit = "chain",
    output: str | os.PathLike[str] | None = None,
    pool: Pool = "none",
    layers: Sequence[int] = (-1,),
    precision: Precision = "auto",
    store: str | os.PathLike[str] | None = None,
    device: str = "auto",
    token_budget: int | None = None,
    truncate: bool = False,
    engine: EngineName = "local",
    workers: int | None = None,
) -> EmbeddingSummary:
    """Embed the units of complexes that are not in the store yet.

    Parameters
    ----------
    data
        FASTA, CSV, TSV or Parquet file, ``ppb-affinity``, or complexes.
    backbone, layers, precision
        See `ppi.backbones.registry.build_backbone`.
    unit
        What the backbone encodes together: ``chain`` (HP), ``side`` (EC, PAD) or ``complex`` (SC).
    output, pool
        File to write, and pooling of the residues of a unit; see `ppi.embedding.export`. Keys are
        ``ID/ligand/1`` (chains, from 1), ``ID/ligand`` (sides) or ``ID``.
    store
        Folder of the stores; by default in the user's cache.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:N``, or several joined by ``,``, each with its own process.
    token_budget
        Maximum number of residues in a batch; the default depends on the device.
    truncate
        Shorten units over the backbone's limit instead of raising an error.
    engine, workers
        See `ppi.embedding.elsewhere.open_workers`.

    Returns
    -------
    EmbeddingSummary
        Summary of the embedded units.

    Raises
    ------
    ppi.errors.PpiError
        If the data, an option, the backbone or the store is wrong.
    """
    job = EmbeddingJob(
        data=data,
        backbone=backbone,
        unit=unit,
        layers=layers,
        precision=precision,
        store=store,
        device=device,
        token_budget=token_budget,
        truncate=truncate,
        engine=engine,
        workers=workers,
    )
    return embed_job(job, output, pool)


def embed_job(
    job: EmbeddingJob, output: str | os.PathLike[str] | None = None, pool: Pool = "none"
) -> EmbeddingSummary:
    """Embed complexes as `embed` does, and raise the same errors."""
    if pool not in get_args(Pool):
        raise InputError(f"{pool!r} is none of {', '.join(get_args(Pool))}")
    if output is not None:
        check_writable_file(check_suffix(output))
        if not isinstance(job.data, ComplexTable):
            refuse_overwriting(output, [job.data])
    devices = job.devices()
    complexes, encoded, truncated, model = job.encoded()
    units = [part for item in encoded for part in item.units]
    with EmbeddingStore(job.store, model) as kept:
        with job.open_workers() as opened:
            done = fill_store(
                kept, model, units, devices=devices, token_budget=job.token_budget, workers=opened
            )
        if output is not None:
            export(output, _keyed(complexes, encoded, job.unit), kept, pool)
        return EmbeddingSummary(len(set(units)), done, sum(truncated), str(kept.folder))


def _keyed(
    complexes: Sequence[Complex], encoded: Sequence[EncodedComplex], unit: EncodingUnit
) -> Iterator[tuple[str, Unit]]:
    for item, cut in zip(complexes, encoded, strict=True):
        if unit == "complex":
            yield item.id, cut.units[0]
            continue
        chains: Counter[str] = Counter()
        for part, role in zip(cut.units, cut.roles, strict=True):
            side = "ligand" if role == LIGAND else "receptor"
            chains[side] += 1
            yield f"{item.id}/{side}/{chains[side]}" if unit == "chain" else f"{item.id}/{side}", part
