"""`ppi embed`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from heads.names import EncodingUnit
from ppi.cli.groups import COMPLETED, DATA, HARDWARE, MODEL, OUTPUT, SEVERAL, STORES
from ppi.cli.names import BackboneName
from ppi.devices import Precision
from ppi.embedding import Pool
from ppi.errors import InputError


def embed(
    data: Annotated[str | None, DATA] = None,
    *,
    truncate: Annotated[bool, DATA] = False,
    output: Annotated[Path | None, OUTPUT] = None,
    pool: Annotated[Pool, OUTPUT] = "none",
    backbone: Annotated[BackboneName, MODEL, COMPLETED] = "esm2-650m",
    unit: Annotated[EncodingUnit, MODEL] = "chain",
    layers: Annotated[tuple[int, ...], MODEL, SEVERAL] = (-1,),
    precision: Annotated[Precision, HARDWARE] = "auto",
    device: Annotated[str, HARDWARE] = "auto",
    token_budget: Annotated[int | None, HARDWARE] = None,
    estimate: Annotated[bool, HARDWARE] = False,
    engine: Annotated[Literal["local", "ray"], HARDWARE] = "local",
    workers: Annotated[int | None, HARDWARE] = None,
    store: Annotated[Path | None, STORES] = None,
    list_stores: Annotated[bool, STORES, Parameter(name="--list")] = False,
    prune: Annotated[str | None, STORES] = None,
) -> None:
    """Compute embeddings of complexes with a language model, for later training or as a file.

    ```
    ppi embed complexes.csv --backbone esm2-650m
    ppi embed antibody.fasta --backbone ./checkpoint --output out.npz --pool mean
    ppi embed ppb-affinity --backbone random-esm2-8m-seed0 --unit side
    ppi embed complexes.csv --backbone esm2-650m --engine ray --workers 16
    ppi embed complexes.csv --backbone esm2-650m --estimate
    ppi embed --list
    ppi embed --prune NAME
    ```

    Embeddings are saved in a store. What is in the store is not computed again, so a run that was
    interrupted continues where it stopped.

    Parameters
    ----------
    data
        FASTA, CSV, TSV or Parquet of complexes, or ppb-affinity, the bundled data set.
    backbone
        Name of `ppi info backbones` (NAME@REVISION for a revision of the hub), random-NAME-seed0 for random
        weights, or the path of a checkpoint.
    unit
        What the backbone encodes together: chain (for head hp), side (ec, pad) or complex (sc).
    output
        File for the embeddings: .npz, .h5 or .parquet.
    pool
        none: one row per residue. mean: the average over the residues.
    layers
        Hidden layers to concatenate; -1 is the last.
    precision
        auto: bfloat16 if the hardware multiplies it natively, else float32.
    store
        Folder of the stores; by default in PPI_CACHE, else in the user's cache.
    device
        auto, cpu, cuda, cuda:N, cuda:all, or several joined by commas, each with its own process.
    token_budget
        Maximum number of residues in a batch; the default depends on the device.
    estimate
        Print how much time and disk space the missing embeddings need, and stop.
    truncate
        Shorten units over the backbone's limit instead of stopping with an error.
    engine
        local: processes of this machine, one for each device. ray: the workers of a Ray cluster, that of
        RAY_ADDRESS or, if there is none, one that is started on this machine.
    workers
        With ray: number of workers; by default one for each processor, or GPU, of the cluster.
    list_stores
        List the stores with their sizes and stop.
    prune
        Delete the store of this name and stop.
    """
    from ppi.embedding.header import default_root
    from ppi.embedding.stores import format_stores, prune_store

    root = default_root() if store is None else store
    if list_stores:
        print(format_stores(root))
        return
    if prune is not None:
        prune_store(root, prune)
        print(f"deleted {prune}", file=sys.stderr)
        return
    if data is None:
        raise InputError("nothing to do: give complexes to embed, --list or --prune")

    from ppi.embedding.job import EmbeddingJob

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
    if estimate:
        from ppi.embedding.estimate import estimate_embedding

        print(estimate_embedding(job).describe())
        return

    from ppi.embedding.embed import embed_job

    done = embed_job(job, output, pool)
    print(f"{done.units} unit(s), {done.embedded} of them embedded now, in {done.store}", file=sys.stderr)
    if output is not None:
        print(f"written to {output}", file=sys.stderr)
