"""`ppi suggest`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ppi.cli.outputs import checked_outputs


def suggest(
    model: Path,
    *complexes: Path,
    sites: tuple[str, ...] = (),
    library: tuple[str, ...] = (),
    structure: Path | None = None,
    by: str = "expected-improvement",
    size: int = 24,
    most_mutations: int | None = None,
    avoid: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    plate: int = 96,
    controls: bool = False,
    target: str | None = None,
    seed: int = 0,
    output: Path | None = None,
    device: str = "auto",
) -> None:
    """Suggest the next variants of a complex to measure, as a plate, by a model that `ppi adapt` made.

    ```
    ppi adapt measured.csv --output adapted
    ppi suggest adapted --sites ligand:1:20-60 --output plate.csv
    ppi suggest adapted --library ligand:1:57=AKR --library receptor:1:35=ADE --size 8 --output plate.xlsx
    ppi suggest adapted designs.fasta --avoid glycosylation cysteine --controls --output plate.csv
    ```

    The pool is a file of complexes, all single mutants of sites, or a library; without any, all single
    mutants of the reference. Variants that have been measured are left out. A summary goes to standard
    output.

    Parameters
    ----------
    model
        Folder that `ppi adapt` wrote.
    complexes
        Files of complexes to choose from, as `ppi predict` reads them, or tables with a column mutant
        (ligand:1:H102A+receptor:1:D39A); they differ from the reference by substitutions alone.
    sites
        Instead of files, all single mutants of: ligand (a side), ligand:1 (a chain), ligand:1:102 or
        ligand:1:95-102 (positions, counted from 1); or H, H:100a, H:95-102 (name of a chain, numbers of the
        structure). May be given several times.
    library
        Instead of files, all combinations of residues: ligand:1:57=AKR allows A, K, R and the wild-type
        residue at this position. May be given several times; 1,000,000 variants at most.
    structure
        PDB or mmCIF file of the reference: its names of chains and numbers of residues may be used.
    by
        expected-improvement: what is most likely to be better than all that was measured, and by how much;
        upper-bound: mean and two standard deviations, which explores more; thompson: the best variant of a
        random draw for each well.
    size
        Variants of the batch, controls not counted.
    most_mutations
        Leave out variants with more mutations.
    avoid
        Leave out variants with a motif that the reference does not have: glycosylation (N-X-S/T),
        cysteine, deamidation (N-G), weak-deamidation (N-S, N-T), isomerisation (D-G), weak-isomerisation
        (D-S), oxidation (M). Several may follow.
    plate
        Wells of the plate, 96 or 384; they are filled column by column: A1, B1, ...
    controls
        Put the reference and the best measured variant into the first wells.
    target
        Which complex is meant, where the model was adapted to several.
    seed
        Seed of the draws from the posterior distribution: the same seed gives the same batch.
    output
        File for the plate, one row a well: .csv, .tsv, .parquet, .json or .xlsx.
    device
        auto, cpu, cuda or cuda:N.
    """
    from ppi.io.inputs import files_of
    from ppi.io.predictions import write_predictions

    checked_outputs(output, (), [*files_of(complexes), *filter(None, [structure])])

    from ppi.prediction.suggesting.suggest import suggest as run
    from ppi.prediction.suggesting.summary import summary_text

    found = run(
        model,
        complexes or None,
        target=target,
        sites=sites,
        library=library,
        structure=structure,
        by=by,
        size=size,
        most_mutations=most_mutations,
        avoid=avoid,
        plate=plate,
        controls=controls,
        seed=seed,
        device=device,
    )
    sys.stdout.write(summary_text(found))
    if output is not None:
        write_predictions(found.table, output)
        print(f"written: {output}", file=sys.stderr)
