"""`ppi screen`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from ppi.cli.groups import CAN_BE_OFF, DATA, HARDWARE, MODEL, OUTPUT, RANKING


def screen(
    ligands: Annotated[Path, DATA],
    receptors: Annotated[Path, DATA],
    *,
    pairs: Annotated[Path | None, DATA] = None,
    truncate: Annotated[bool, DATA] = False,
    output: Annotated[Path | None, OUTPUT] = None,
    resume: Annotated[bool, OUTPUT] = False,
    novelty: Annotated[bool, OUTPUT, CAN_BE_OFF] = True,
    per: Annotated[Literal["ligand", "receptor"], RANKING] = "receptor",
    top_k: Annotated[int | None, RANKING] = None,
    min_pkd: Annotated[float | None, RANKING] = None,
    model: Annotated[str, MODEL] = "default",
    estimate: Annotated[bool, HARDWARE] = False,
    max_hours: Annotated[float, HARDWARE] = 24.0,
    device: Annotated[str, HARDWARE] = "auto",
    store: Annotated[Path | None, HARDWARE] = None,
    engine: Annotated[Literal["local", "ray"], HARDWARE] = "local",
    workers: Annotated[int | None, HARDWARE] = None,
) -> None:
    """Predict pKd of many ligands with many receptors, and rank them for each target.

    ```
    ppi screen antibodies.fasta antigen.fasta --output ranked.csv
    ppi screen peptides.fasta receptors.fasta --output best.parquet --top-k 20
    ppi screen a.fasta b.fasta --pairs pairs.csv --output pairs.parquet
    ppi screen a.fasta b.fasta --output strong.csv --min-pkd 8
    ppi screen a.fasta b.fasta --output all.parquet --resume
    ppi screen a.fasta b.fasta --output all.parquet --engine ray --workers 16
    ppi screen a.fasta b.fasta --estimate
    zcat antibodies.fasta.gz | ppi screen - antigen.fasta --output ranked.csv
    ```

    Every ligand is paired with every receptor (also with one of the same sequence), or only as a table says.
    The language model encodes each side once, not each pair.

    Parameters
    ----------
    ligands
        FASTA with one record per side: its id is the first word of the header, and its chains are joined by
        `:`. Or CSV, TSV, XLSX or Parquet with columns id and sequence. All may be compressed with gzip. `-`
        reads FASTA or CSV from standard input.
    receptors
        The same for the other side.
    output
        File for the result, one that does not exist yet: .csv, .tsv or .parquet. Standard output (CSV) by
        default.
    pairs
        CSV, TSV, XLSX or Parquet with columns ligand and receptor, which have ids of the two files.
    per
        Which side is the target: the partners of each target are ranked among each other.
    top_k
        Keep this many pairs of each target, those with the highest pKd; by default all.
    min_pkd
        Keep only pairs with at least this pKd.
    resume
        Continue an interrupted screen of the same inputs and settings; if there is none, start it, and if the
        output is complete, stop.
    estimate
        Print how much time, memory and disk space the screen needs, and stop.
    max_hours
        Stop with an error if the screen is estimated to take longer.
    model
        Model folder, name on the Hugging Face hub, or `default`, the bundled model.
    truncate
        Shorten sides over the model's limit and mark them in the output, instead of stopping with an error.
    device
        auto, cpu, cuda or cuda:N.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    novelty
        Search for the training complexes that resemble each pair; without it, the screen is faster.
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
    from ppi.prediction.screening.summary import ranking_text

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
    sys.stdout.write(ranking_text(output, per, len(screening.targets.targets)))
    print(f"{done.pairs:,} pairs screened, {done.rows:,} rows written to {done.output}", file=sys.stderr)
