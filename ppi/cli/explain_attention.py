"""`ppi explain attention`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from ppi.cli.groups import CAN_BE_OFF, COMPLETED, DATA, HARDWARE, MODEL, OUTPUT
from ppi.cli.names import BackboneName
from ppi.cli.outputs import checked_outputs
from ppi.errors import InputError


def attention(
    *complexes: Annotated[Path, DATA],
    rows: Annotated[int | None, DATA] = None,
    by: Annotated[str | None, DATA] = None,
    seed: Annotated[int, DATA] = 0,
    output: Annotated[Path | None, OUTPUT] = None,
    json: Annotated[Path | None, OUTPUT] = None,
    html: Annotated[Path | None, OUTPUT] = None,
    backbone: Annotated[BackboneName | None, MODEL, COMPLETED] = None,
    model: Annotated[str | None, MODEL] = None,
    unit: Annotated[Literal["chain", "side", "complex"] | None, MODEL] = None,
    epsilon: Annotated[float, MODEL] = 0.3,
    knock_out: Annotated[bool, MODEL, CAN_BE_OFF] = True,
    device: Annotated[str, HARDWARE] = "auto",
    store: Annotated[Path | None, HARDWARE] = None,
) -> None:
    """Show what the attention heads of a language model or of a trained mixer do, and which of them matter.

    ```
    ppi explain attention --rows 50 --html attention.html
    ppi explain attention complexes.csv --unit complex --output heads.parquet --json attention.json
    ppi explain attention complexes.csv --model run --by source
    ```

    For each head: attention sinks, how far attention reaches, how much of it goes to other chains and to the
    other side, how much its output differs from that of the layer, and what changes if it is switched off.
    For each layer: secondary sinks and massive activations. A summary is printed.

    Parameters
    ----------
    complexes
        Files of complexes as `ppi predict` reads them; `-` for standard input. By default complexes of the
        data set in the package.
    rows
        Number of complexes that are drawn from these; by default all of the files, or 50 of the data set.
    by
        Column of the table, such as `source`, with classes of complexes whose most important heads are
        compared.
    seed
        Seed of the draw, of the masked residues and of the random halves of classes.
    output
        File for the table, one row per head: .csv, .tsv, .parquet, .json or .xlsx.
    json
        File for all tables, of heads, layers and classes, with what their columns are.
    html
        File for a page with a map of layers and heads for each measure.
    backbone
        Language model; by default ppi-mini. Importance needs one with a language head: ppi-mini, or the
        folder of an ESM-2.
    model
        Model folder, or name on the Hugging Face hub, of a model that was trained with `--mixer attention`:
        its mixers are shown instead of a language model.
    unit
        What a language model encodes together; by default a chain. Attention from chain to chain needs a
        side or a complex. A model has a unit of its own.
    epsilon
        A row is a sink if it receives more than this of the mean attention, between 0 and 1.
    knock_out
        Switch off each head in turn to measure its importance; this takes most of the time.
    device
        auto, cpu, cuda or cuda:N.
    store
        Folder of the stores that keep a language model's embeddings, for a model; by default in the user's
        cache.
    """
    from ppi.io.inputs import files_of

    if model is not None and (backbone is not None or unit is not None):
        raise InputError(
            "--model has a backbone and a unit of its own; leave out --backbone and --unit, or --model"
        )
    outputs = checked_outputs(output, (json, html), files_of(complexes))

    from ppi.explain.attention.data import chosen_complexes
    from ppi.explain.attention.files import write_diagnosis
    from ppi.explain.attention.run import DiagnosisSettings, diagnose_backbone, diagnose_model
    from ppi.explain.attention.text import summary_text

    settings = DiagnosisSettings(epsilon=epsilon, knock_out=knock_out, by=by, seed=seed)
    table = chosen_complexes(complexes, rows=rows, seed=seed)
    if model is not None:
        from ppi.prediction.predictor import Predictor

        with Predictor(model, device=device, store=store, novelty=False) as predictor:
            found = diagnose_model(table, predictor, settings=settings)
    else:
        from ppi.backbones.registry import build_backbone
        from ppi.devices import choose_device

        # Differences of losses are small, so they are not computed in half precision.
        language_model = build_backbone(backbone or "ppi-mini", precision="float32").to(choose_device(device))
        found = diagnose_backbone(table, language_model, encoding_unit=unit or "chain", settings=settings)
    write_diagnosis(found, output=output, as_json=json, html=html)
    sys.stdout.write(summary_text(found))
    for path in outputs:
        print(f"written: {path}", file=sys.stderr)
