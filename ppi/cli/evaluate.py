"""`ppi evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def evaluate(
    model: str = "default",
    *,
    data: str = "ppb-affinity",
    split: str | None = None,
    part: str = "test",
    baselines: Literal["all", "sequence", "none"] = "all",
    output: Path | None = None,
    report: Path | None = None,
    truncate: bool = False,
    device: str = "auto",
    store: Path | None = None,
) -> None:
    """Score a model on measured complexes: all, by how new they are to the model, and within targets.

    Beside it stand baselines fitted on the table's training rows, and what a perfect model could reach where
    the table has repeated measurements. Intervals are 95 % bootstrap over clusters, else PDB entries. The
    report has more: each source, wild types, capped labels, figures.

    ```
    ppi evaluate --report report
    ppi evaluate model --data my_complexes.csv --part validation --output report.json
    ```

    Parameters
    ----------
    model
        Model folder; `default`, the model that ships in the package; or OWNER/NAME on the Hugging Face hub.
    data
        Table with columns id, ligand, receptor and pkd (or kd_molar); or `ppb-affinity`, the data set that
        ships in the package. Rows with a mark in the column censored are left out: their pkd is only a bound.
    split
        Column of the table, or CSV with the columns id and split; by default the column split, else
        split_strict. Where it holds folds, fold:0 tests on fold 0 and validates
        on the next.
    part
        Part of the split to score.
    baselines
        all; sequence, without those over embeddings, for which training rows are embedded that the store
        lacks; or none.
    output
        File for the whole result, JSON.
    report
        Folder for report.html with its figures, report.json and predictions.csv.
    truncate
        Shorten complexes over the backbone's limit instead of refusing them.
    device
        auto, cpu, cuda or cuda:N.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    """
    from ppi.evaluation.evaluate import evaluate as run
    from ppi.evaluation.markdown import format_report

    print(
        format_report(
            run(
                model,
                data=data,
                split=split,
                part=part,
                baselines=baselines,
                output=output,
                report=report,
                truncate=truncate,
                device=device,
                store=store,
            )
        ),
        end="",
    )
