"""`ppi train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ppi.training.settings import TrainSettings, settings_from_yaml


def train(
    *,
    output: Path,
    data: str = "ppb-affinity",
    split: str | None = None,
    config: Path | None = None,
    device: str = "auto",
    store: Path | None = None,
    settings: Annotated[TrainSettings, Parameter(name="*")] = TrainSettings(),  # noqa: B008 (frozen)
) -> None:
    """Train an ensemble of heads over a frozen backbone, and write a model folder.

    ```
    ppi train --output model
    ppi train --data my_complexes.csv --balance none --head hp --members 3 --output model
    ppi train --data my_complexes.csv --split my_split.csv --output model
    ppi train --config settings.yaml --seed 7 --output model
    ```

    Parameters
    ----------
    output
        Model folder to write.
    data
        CSV, TSV or Parquet with columns id, ligand, receptor, pkd (or kd_molar), and weight if rows differ
        in trust; or `ppb-affinity`, the data set that ships in the package. Rows with a mark in the column
        censored are left out: their pkd is only a bound.
    split
        Column of the table, or CSV with the columns id and split, that says train or validation; by default
        the column split, else split_strict. Where it holds folds, fold:0 tests on fold 0 and validates
        on the next.
    config
        YAML file of settings; flags win over it.
    device
        auto, cpu, cuda or cuda:N.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    settings
        Of the run.
    """
    if config is not None:
        settings = settings_from_yaml(config, settings.model_dump(exclude_unset=True))

    from ppi.training.run import train as run

    trained = run(data, output=output, split=split, settings=settings, device=device, store=store)
    scores = trained.manifest["validation"]
    print(
        f"model written to {output}: validation Spearman {scores['spearman']:.3f}, RMSE {scores['rmse']:.2f}",
        file=sys.stderr,
    )
