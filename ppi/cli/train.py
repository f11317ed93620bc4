"""`ppi train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from ppi.training.settings import TrainSettings, settings_from_yaml


def train(
    *,
    output: Path,
    data: str = "ppb-affinity",
    split: str | None = None,
    config: Path | None = None,
    resume: bool = False,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    strategy: Literal["auto", "ddp", "fsdp"] = "auto",
    store: Path | None = None,
    tensorboard: Path | None = None,
    settings: Annotated[TrainSettings, Parameter(name="*")] = TrainSettings(),  # noqa: B008 (frozen)
) -> None:
    """Train an affinity model and write a model folder.

    With a frozen backbone you can train an ensemble of heads; with --tuning.method the backbone is fine-tuned
    together with a single head. During training, checkpoints and logs are in OUTPUT.unfinished.

    ```
    ppi train --output model
    ppi train --data my_complexes.csv --balance none --head hp --members 3 --output model
    ppi train --data my_complexes.csv --split my_split.csv --output model
    ppi train --config settings.yaml --seed 7 --output model
    ppi train --config settings.yaml --seed 7 --output model --resume
    ppi train --backbone esm2-35m --head hp --tuning.method lora --tuning.learning-rate 1e-4 --output model
    ppi train --backbone esm2-35m --tuning.method attention-heads --tuning.attention-heads 11:0 --output model
    ppi train --head hp --losses.mse 1 --losses.listmle 0.5 --balance pdb --output model
    ```

    Parameters
    ----------
    output
        Model folder to write; it must not exist yet.
    data
        CSV, TSV or Parquet with columns id, ligand, receptor, pkd (or kd_molar), and optionally weight (the
        weight of a row relative to the others of its batch); or `ppb-affinity`, the bundled data set. Rows
        whose column censored is not empty are skipped, because their pkd is only a bound.
    split
        Column of the table, or CSV with the columns id and split, with train or validation; by default
        the column split, else split_strict. For a column of folds, fold:0 tests on fold 0 and validates on
        the next.
    config
        YAML file of settings; flags override it. Settings of the model may be on the top level or in a
        section `model`.
    resume
        Resume the unfinished run in OUTPUT.unfinished, if there is one, from its last epoch; the result is
        the same as without the interruption.
    device
        auto, cpu, cuda or cuda:N.
    devices
        Number of processes on each machine; with --device cuda each has its own GPU.
    nodes
        Number of machines.
    strategy
        Strategy of Lightning for several processes: ddp (auto), each with the full model; or fsdp, each with
        its share of a fine-tuned backbone that does not fit on one device.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    tensorboard
        Folder for TensorBoard event files; training.csv in the model folder has the same numbers.
    settings
        Settings of the run.
    """
    if config is not None:
        settings = settings_from_yaml(config, settings.model_dump(exclude_unset=True))

    from lightning.pytorch.utilities import rank_zero_only

    from ppi.training.run import train as run

    trained = run(
        data,
        output=output,
        split=split,
        settings=settings,
        resume=resume,
        device=device,
        devices=devices,
        nodes=nodes,
        strategy=strategy,
        store=store,
        tensorboard=tensorboard,
    )
    if rank_zero_only.rank:
        return
    scores = trained.manifest["validation"]
    print(
        f"model written to {output}: validation Spearman {scores['spearman']:.3f}, RMSE {scores['rmse']:.2f}",
        file=sys.stderr,
    )
