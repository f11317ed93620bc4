"""`ppi study`, a verb with a command of its own beside it: `ppi study spans`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App

from ppi.cli.groups import DATA, FURTHER, HARDWARE, OUTPUT
from ppi.cli.study_spans import spans

study = App(name="study")
study.command(spans, group=FURTHER)


@study.default
def study_configurations(
    config: Annotated[Path, DATA],
    *,
    output: Annotated[Path, OUTPUT],
    dry_run: Annotated[bool, OUTPUT] = False,
    jobs: Annotated[int | None, HARDWARE] = None,
    device: Annotated[str, HARDWARE] = "auto",
    store: Annotated[Path | None, HARDWARE] = None,
    engine: Annotated[Literal["local", "ray"], HARDWARE] = "local",
) -> None:
    """Train many configurations with several seeds and splits, and compare them in tables.

    ```
    ppi study examples/study.yaml --output study --dry-run
    ppi study examples/study.yaml --output study --jobs 2
    ppi study examples/study.yaml --output study --jobs 16 --engine ray
    ```

    Each training run is a cell, in a separate process. Finished cells are not run again, so the same command
    continues after a failure or Ctrl-C; if all cells are finished, it only writes the report again.

    `ppi study spans` plans a window for each head of a trained attention mixer.

    Parameters
    ----------
    config
        YAML file: `data`, `splits`, `seeds`, `fixed` settings, a `grid` of settings that vary, `exclude` and
        `include`, `jobs` and `threads`. Settings have the names of the flags of `ppi train`; those that are
        not in the file are those of the recipe network.
    output
        Folder for report.md, table.csv, pairs.csv, ranks.csv, rank.png and the cells.
    jobs
        Number of cells that run at the same time; by default as the YAML file says.
    dry_run
        List the cells and their commands, and write nothing.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    device
        auto, cpu, cuda, cuda:N, or several joined by a comma, which cells take in turn.
    engine
        local: processes of this machine. ray: the nodes of a Ray cluster, which must see the folders of the
        study, its data and the stores under the same paths; the device is then auto, cpu or cuda.
    """
    from ppi.study.run import run_study

    table = run_study(
        config, output=output, jobs=jobs, dry_run=dry_run, store=store, device=device, engine=engine
    )
    if dry_run:
        for row in table.itertuples():
            print(f"{row.cell} ({row.state})\n    {row.command}")
        print(
            f"{len(table)} cells, {(table['state'] == 'finished').sum()} of them finished. The command of a "
            f"cell that has started can be run again inside {output}"
        )
        return
    print(f"report written to {output / 'report.md'}", file=sys.stderr)
