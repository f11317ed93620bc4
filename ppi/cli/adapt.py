"""`ppi adapt`."""

from __future__ import annotations

import sys
from pathlib import Path


def adapt(
    variants: Path,
    *,
    output: Path,
    wild: Path | None = None,
    value: str | None = None,
    seed: int = 0,
    device: str = "auto",
) -> None:
    """Learn from measured variants of one complex, or of a few, to rank further variants.

    Eight measured variants help, two dozen help much. What was learnt, and how well variants left out are
    ranked beside simple baselines, goes to standard output; the folder is a model for `ppi predict`.

    ```
    ppi adapt measured.csv --output my-target
    ppi predict pool.csv --model my-target --output ranked.csv
    ppi adapt examples/hyhel10_measured.csv --wild examples/hyhel10_lysozyme.fasta --output hyhel10
    ppi predict examples/hyhel10_pool.csv --model hyhel10
    ppi adapt elisa.xlsx --value signal --output my-target
    ```

    Parameters
    ----------
    variants
        CSV, TSV, XLSX or Parquet with columns id, ligand, receptor (or mutant, with --wild) and one of pkd,
        kd_molar, Kd (nM), ddg_kcal_mol (positive: weaker) or score (any unit, higher is better). Replicates
        are averaged. Column censored: > for a Kd or ddG above what is given (weaker binding), < for one
        below; for a score, > and < are those of the score. Column target: which complex a row is a
        variant of, where there are several.
    output
        New folder for the model.
    wild
        File with the wild type. The table may then name variants in a column mutant, such as
        ligand:1:H102A+receptor:1:D39A; an empty cell, or WT, is the wild type itself. By default the
        reference is the variant with the fewest differences from all others.
    value
        Column to learn from, where there are several or it has another name; higher is better.
    seed
        Seed of the draws of the learning curve.
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
