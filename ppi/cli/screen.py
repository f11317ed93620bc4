"""`ppi screen`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

_Flag = Parameter(negative="")


def screen(
    ligands: Path,
    receptors: Path,
    *,
    output: Path | None = None,
    pairs: Path | None = None,
    per: Literal["ligand", "receptor"] = "receptor",
    top_k: int | None = None,
    min_pkd: float | None = None,
    resume: Annotated[bool, _Flag] = False,
    estimate: Annotated[bool, _Flag] = False,
    max_hours: float = 24.0,
    model: str = "default",
    truncate: Annotated[bool, _Flag] = False,
    device: str = "auto",
    store: Path | None = None,
    novelty: bool = True,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
) -> None:
    """Predict pKd of many ligands with many receptors, and rank them for each target.

    Each side is read by the model once, and only what joins two sides runs for each pair. Every ligand meets
    every receptor, also one that has its own sequence, or only the pairs of a table.

    ```
    ppi screen antibodies.fasta antigen.fasta --output ranked.csv
    ppi screen peptides.fasta receptors.fasta --output best.parquet --top-k 20
    ppi screen a.fasta b.fasta --pairs pairs.csv --output pairs.parquet
    ppi screen a.fasta b.fasta --output strong.csv --min-pkd 8
    ppi screen a.fasta b.fasta --output all.parquet --resume
    ppi screen a.fasta b.fasta --output all.parquet --engine ray --workers 16
    ppi screen a.fasta b.fasta --estimate
    ```

    Parameters
    ----------
    ligands
        FASTA with one record a side: its id is the first word of the header, and its chains are joined by
        `:`. Or CSV, TSV, XLSX or Parquet with columns id and sequence. Each may be gzip.
    receptors
        The same for the other side.
    output
        File for the result, one that does not exist yet: .csv, .tsv or .parquet. Standard output (CSV) by
        default.
    pairs
        CSV, TSV, XLSX or Parquet with columns ligand and receptor, which hold ids of the two files.
    per
        Which side is the target: the partners of each target are ranked among each other.
    top_k
        Keep only so many pairs of each target, the best ones.
    min_pkd
        Keep pairs with at least this pKd.
    resume
        Continue an interrupted screen of the same inputs and settings; if there is none, begin, and if the
        output is complete, stop.
    estimate
        Say how long the screen will take, and how much memory and disk, and stop.
    max_hours
        Refuse a screen that is estimated to take longer.
    model
        Model folder, name on the Hugging Face hub, or `default`, the model that ships in the package.
    truncate
        Shorten sides over the model's limit, and say so in the output, instead of refusing them.
    device
        auto, cpu, cuda or cuda:N.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    novelty
        Look for the training complexes that resemble each pair.
    engine
        local: threads of this process. ray: the workers of a Ray cluster, that of RAY_ADDRESS or, if there is
        none, one that is started on this machine.
    workers
        Number of threads or workers; by default one for each processor that is available.
    """
    from data_curation.files import refuse_overwriting
    from ppi.engines.build import build_engine
    from ppi.errors import InputError
    from ppi.io.predictions import format_csv
    from ppi.prediction.screening.output import check_format, check_output, holds_screen
    from ppi.prediction.screening.settings import ScreenSettings

    build_engine(engine)
    if resume and output is None:
        raise InputError("--resume continues a file; name it with --output")
    settings = ScreenSettings(per, top_k, min_pkd, truncate)
    if output is not None:
        check_format(output)
        if not estimate:
            refuse_overwriting(output, filter(None, (ligands, receptors, pairs)))
            if resume and holds_screen(output):
                print(f"{output} is complete: there is nothing to continue", file=sys.stderr)
                return
            check_output(output)

    from ppi.prediction.predictor import Predictor

    with Predictor(model, device=device, store=store, novelty=novelty) as predictor:
        screening = predictor.screening(
            ligands,
            receptors,
            pairs=pairs,
            settings=settings,
            max_hours=max_hours,
            workers=workers,
            engine=engine,
        )
        if estimate:
            cost = screening.estimate(".csv" if output is None else output.suffix.lower())
            print(cost.describe())
            return
        if output is None:
            sys.stdout.write(format_csv(screening.frame()) or "")
            return
        done = screening.write(output, resume=resume)
    print(f"{done.pairs:,} pairs screened, {done.rows:,} rows written to {done.output}", file=sys.stderr)
