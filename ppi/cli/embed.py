"""`ppi embed`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from heads.names import EncodingUnit
from ppi.devices import Precision
from ppi.embedding import Pool
from ppi.errors import InputError


def embed(
    data: str | None = None,
    *,
    backbone: str = "esm2-650m",
    unit: EncodingUnit = "chain",
    output: Path | None = None,
    pool: Pool = "none",
    layers: tuple[int, ...] = (-1,),
    precision: Precision = "auto",
    store: Path | None = None,
    device: str = "auto",
    token_budget: int | None = None,
    truncate: bool = False,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    list_stores: Annotated[bool, Parameter(name="--list", negative="")] = False,
    prune: str | None = None,
) -> None:
    """Embed complexes with a language model; save the embeddings in the store for training, or in a file.

    Embeddings in the store are not computed again, so a run that was killed continues where it stopped.

    ```
    ppi embed complexes.csv --backbone esm2-650m
    ppi embed antibody.fasta --backbone ./checkpoint --output out.npz --pool mean
    ppi embed ppb-affinity --backbone random-esm2-8m-seed0 --unit side
    ppi embed complexes.csv --backbone esm2-650m --engine ray --workers 16
    ppi embed --list
    ppi embed --prune NAME
    ```

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
    from ppi.embedding.store import default_root, format_stores, prune_store

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

    from ppi.embedding.embed import embed as run

    done = run(
        data,
        backbone=backbone,
        unit=unit,
        output=output,
        pool=pool,
        layers=layers,
        precision=precision,
        store=store,
        device=device,
        token_budget=token_budget,
        truncate=truncate,
        engine=engine,
        workers=workers,
    )
    print(f"{done.units} unit(s), {done.embedded} of them embedded now, in {done.store}", file=sys.stderr)
    if output is not None:
        print(f"written to {output}", file=sys.stderr)
