"""`ppi adapt`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from ppi.cli.groups import DATA, HARDWARE, OUTPUT


def adapt(
    variants: Annotated[Path, DATA],
    *,
    wild: Annotated[Path | None, DATA] = None,
    value: Annotated[str | None, DATA] = None,
    output: Annotated[Path, OUTPUT],
    seed: Annotated[int, OUTPUT] = 0,
    device: Annotated[str, HARDWARE] = "auto",
) -> None:
    """Learn from your measured variants of a complex to rank further variants.

    ```
    ppi adapt measured.csv --output my-target
    ppi predict pool.csv --model my-target --output ranked.csv
    ppi adapt examples/hyhel10_measured.csv --wild examples/hyhel10_lysozyme.fasta --output hyhel10
    ppi predict examples/hyhel10_pool.csv --model hyhel10
    ppi adapt elisa.xlsx --value signal --output my-target
    ```

    Eight measured variants already help; two dozen help much more. The output folder is a model for
    `ppi predict` and `ppi suggest`. A summary is printed: how well the model ranks variants that were left
    out, compared with simple baselines.

    Parameters
    ----------
    variants
        CSV, TSV, XLSX or Parquet with columns id, ligand, receptor (or mutant, with --wild) and one of pkd,
        kd_molar, Kd (nM), ddg_kcal_mol (positive: weaker) or score (any unit, higher is better). Replicates
        are averaged. Optional columns: censored, with > for a Kd or ddG above the given value (weaker
        binding) and < for one below it, and for scores > and < as they are; and target, which names the
        complex that a row is a variant of, if there are several.
    output
        Folder for the model; it must not exist yet.
    wild
        File with the wild type. The table may then name variants in a column mutant, such as
        ligand:1:H102A+receptor:1:D39A; an empty cell, or WT, is the wild type itself. By default the
        reference is the variant with the fewest differences from all others.
    value
        Column to learn from, if there are several or it has another name; higher is better. A Kd needs its
        unit in the name, such as Kd (nM), and is read as a pKd.
    seed
        Seed of the random draws for the learning curve in the summary.
    device
        auto, cpu, cuda or cuda:N.
    """
    from data_curation.files import check_writable_folder
    from ppi.prediction.adapting.folder import check_new_folder, save_adapted

    check_new_folder(check_writable_folder(output))

    from ppi.prediction.adapting.adapt import adapt as run
    from ppi.prediction.adapting.summary import summary_text

    model = run(variants, wild=wild, value=value, device=device, seed=seed)
    save_adapted(output, model)
    sys.stdout.write(summary_text(model))
    print(f"written: {output}", file=sys.stderr)
