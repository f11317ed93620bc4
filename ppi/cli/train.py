"""`ppi train`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ppi.cli.flags import flags_of
from ppi.cli.groups import COMPLETED, DATA, HARDWARE, OUTPUT, RECIPE, SEVERAL
from ppi.cli.names import RecipeName
from ppi.errors import SettingsError
from ppi.setting_groups import SettingGroup
from ppi.training.recipes import DEFAULT_RECIPE, chosen_settings, recipe_content
from ppi.training.settings import TrainSettings

if TYPE_CHECKING:
    TrainFlags = dict[str, Any]
else:
    TrainFlags = flags_of(TrainSettings, SettingGroup.OPTIMISATION, recipe_content(DEFAULT_RECIPE))


def train(
    *,
    data: Annotated[str, DATA] = "ppb-affinity",
    split: Annotated[str | None, DATA] = None,
    output: Annotated[Path, OUTPUT],
    resume: Annotated[bool, OUTPUT] = False,
    tensorboard: Annotated[Path | None, OUTPUT] = None,
    recipe: Annotated[RecipeName | None, RECIPE, COMPLETED] = None,
    upcycle: Annotated[tuple[Path, ...], RECIPE, SEVERAL] = (),
    config: Annotated[Path | None, RECIPE] = None,
    device: Annotated[str, HARDWARE] = "auto",
    devices: Annotated[int, HARDWARE] = 1,
    nodes: Annotated[int, HARDWARE] = 1,
    strategy: Annotated[Literal["auto", "ddp", "fsdp"], HARDWARE] = "auto",
    store: Annotated[Path | None, HARDWARE] = None,
    settings: Annotated[TrainFlags | None, Parameter(name="*")] = None,
) -> None:
    """Train a model on measured complexes, and write a model folder.

    ```
    ppi train --output model
    ppi train --data my_complexes.csv --split my_split.csv --output model
    ppi train --data my_complexes.csv --recipe network --head hp --members 3 --output model
    ppi train --data my_complexes.csv --config settings.yaml --seed 7 --output model
    ppi train --recipe finetune --backbone esm2-35m --output model
    ppi train --recipe network --head hp --losses.mse 1 --losses.listmle 0.5 --balance pdb --output model
    ppi train --upcycle ensemble --output mixture
    ```

    By default the recipe is that of the bundled model. Each flag changes one setting of the recipe. While it
    trains, checkpoints and logs are in OUTPUT.unfinished. The defaults below are those of the recipe default.

    Parameters
    ----------
    data
        CSV, TSV or Parquet with columns id, ligand, receptor, pkd (or kd_molar), and optionally weight (the
        weight of a row relative to the others of its batch); or `ppb-affinity`, the bundled data set. Rows
        whose column censored is not empty are skipped, because their pkd is only a bound.
    split
        Column of the table, or CSV with the columns id and split, with train or validation; by default
        the column split, else split_strict. For a column of folds, fold:0 tests on fold 0 and validates on
        the next.
    output
        Model folder to write; it must not exist yet.
    resume
        Resume the unfinished run in OUTPUT.unfinished, if there is one, from its last epoch; the result is
        the same as without the interruption.
    tensorboard
        Folder for TensorBoard event files; training.csv in the model folder has the same numbers.
    recipe
        Named settings to start from (`ppi info recipes` lists them); default unless --config is given. If a
        flag replaces the backbone, head, mixer, pooling or read-out of the recipe, layers or options of the
        replaced one are dropped; with the read-out also its members and partner score.
    config
        YAML file of settings, instead of a recipe; settings that it lacks are those of the recipe network.
        With --recipe, the file changes the recipe, as flags do.
    upcycle
        Model folders of one architecture, with a network as read-out. Each of their members, two or more in
        all, becomes an expert of one mixture, which is trained on. The settings of the model are those of the
        members, but for tuning and the options route, top-k and balance of the mixture, such as
        --mixer-options.route residue; other settings are those of the recipe network. Several may follow the
        flag.
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
    settings
        Settings of the run.
    """
    if upcycle and recipe is not None:
        raise SettingsError(
            f"--recipe {recipe} names an architecture, but --upcycle takes that of its models; leave out one "
            "of the two"
        )
    chosen = chosen_settings(recipe, config, settings, base=None if upcycle else DEFAULT_RECIPE)

    from lightning.pytorch.utilities import rank_zero_only

    from ppi.training.run import train as run

    trained = run(
        data,
        output=output,
        split=split,
        settings=chosen,
        upcycle=upcycle,
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
    scores, count = trained.manifest["validation"], trained.manifest["validation_complexes"]
    command = f"ppi evaluate {shlex.quote(str(output))} --data {shlex.quote(data)}"
    command += "" if split is None else f" --split {shlex.quote(split)}"
    print(
        f"model written to {output}: validation Spearman {scores['spearman']:.3f}, RMSE {scores['rmse']:.2f} "
        f"over {count:,} complexes; `{command}` shows the scores on the test part beside those of baselines",
        file=sys.stderr,
    )
