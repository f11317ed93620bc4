"""`ppi study spans`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from ppi.cli.groups import DATA, HARDWARE, MODEL, OUTPUT
from ppi.cli.outputs import checked_outputs


def spans(
    *complexes: Annotated[Path, DATA],
    rows: Annotated[int | None, DATA] = None,
    seed: Annotated[int, DATA] = 0,
    output: Annotated[Path | None, OUTPUT] = None,
    profile: Annotated[Path | None, OUTPUT] = None,
    model: Annotated[str, MODEL],
    tolerance: Annotated[float, MODEL] = 0.01,
    device: Annotated[str, HARDWARE] = "auto",
    store: Annotated[Path | None, HARDWARE] = None,
) -> None:
    """Plan a window for each head of a trained attention mixer, so that long complexes take less time.

    ```
    ppi study spans held_out.csv --model run --output plan.yaml
    ppi train --config plan.yaml --head hp --output faster
    ```

    Each head is limited to each of nine windows in turn, and the increase of the error is measured. The plan
    keeps the fewest pairs of residues whose increases add up to no more than the tolerance; it is printed
    with the error that it leaves. Train a new model with the plan.

    Parameters
    ----------
    complexes
        Files of complexes with pKd that the model was not trained on; by default complexes of the data set
        in the package.
    rows
        Number of complexes that are drawn from these; by default all of the files, or 50 of the data set.
    seed
        Seed of the draw.
    output
        YAML file for the settings of a mixer with the plan, attention spans, for `ppi train --config`.
    profile
        File for the table of all heads and windows: .csv, .tsv, .parquet, .json or .xlsx.
    model
        Model folder, or name on the Hugging Face hub, of a model that was trained with `--mixer attention`
        and softmax attention.
    tolerance
        Largest increase of the mean squared error, as a share of it.
    device
        auto, cpu, cuda or cuda:N.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    """
    from ppi.io.inputs import files_of

    outputs = checked_outputs(profile, (output,), files_of(complexes))

    from ppi.explain.attention.data import chosen_complexes
    from ppi.io.predictions import write_predictions
    from ppi.prediction.predictor import Predictor
    from ppi.study.spans import plan_spans

    table = chosen_complexes(complexes, rows=rows, seed=seed)
    with Predictor(model, device=device, store=store, novelty=False) as predictor:
        plan = plan_spans(predictor, table.complexes, tolerance=tolerance)
    if output is not None:
        plan.write(output)
    if profile is not None:
        write_predictions(plan.profile, profile)
    sys.stdout.write(plan.text())
    for path in outputs:
        print(f"written: {path}", file=sys.stderr)
