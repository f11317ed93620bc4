"""`ppi suggest`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from ppi.cli.groups import CANDIDATES, HARDWARE, MODEL, OUTPUT, PLATE, RANKING, SEVERAL
from ppi.cli.outputs import checked_outputs


def suggest(
    model: Annotated[Path, MODEL],
    *complexes: Annotated[Path, CANDIDATES],
    sites: Annotated[tuple[str, ...], CANDIDATES, SEVERAL] = (),
    library: Annotated[tuple[str, ...], CANDIDATES, SEVERAL] = (),
    structure: Annotated[Path | None, CANDIDATES] = None,
    most_mutations: Annotated[int | None, CANDIDATES] = None,
    avoid: Annotated[tuple[str, ...], CANDIDATES, SEVERAL] = (),
    output: Annotated[Path | None, OUTPUT] = None,
    size: Annotated[int, PLATE] = 24,
    plate: Annotated[int, PLATE] = 96,
    controls: Annotated[bool, PLATE] = False,
    by: Annotated[str, RANKING] = "expected-improvement",
    seed: Annotated[int, RANKING] = 0,
    target: Annotated[str | None, MODEL] = None,
    device: Annotated[str, HARDWARE] = "auto",
) -> None:
    """Suggest which variants to measure next, as a plate, with a model that `ppi adapt` made.

    ```
    ppi adapt measured.csv --output adapted
    ppi suggest adapted --sites ligand:1:20-60 --output plate.csv
    ppi suggest adapted --library ligand:1:57=AKR --library receptor:1:35=ADE --size 8 --output plate.xlsx
    ppi suggest adapted designs.csv --avoid glycosylation cysteine --controls --output plate.csv
    ```

    Candidates are the complexes of a file, all single mutants of some sites, or a library; by default all
    single mutants of the reference. Measured variants are left out. A summary is printed.

    Parameters
    ----------
    model
        Folder that `ppi adapt` wrote.
    complexes
        Files of complexes to choose from, with both sides of each, as `ppi predict` reads them, or tables
        with a column mutant (ligand:1:H102A+receptor:1:D39A). They may differ from the reference only by
        substitutions.
    sites
        Choose from all single mutants of these sites: ligand (a side), ligand:1 (a chain), ligand:1:102,
        ligand:1:H102 or ligand:1:95-102 (positions, counted from 1); or H, H:100a, H:95-102 (name of a chain,
        numbers of the structure). Several may be given.
    library
        Choose from all combinations of these residues: ligand:1:57=AKR allows A, K, R and the wild-type
        residue at this position. Several may be given; 1,000,000 variants at most.
    structure
        PDB or mmCIF file of the reference: its names of chains and numbers of residues may be used. The
        names of chains in the file with the wild type that `ppi adapt` read may be used without it.
    by
        expected-improvement: what is most likely to be better than all that was measured, and by how much;
        upper-bound: mean and two standard deviations, which explores more; thompson: the best variant of a
        random draw for each well.
    size
        Number of variants to suggest, without the controls.
    most_mutations
        Leave out variants with more mutations than this.
    avoid
        Leave out variants with a motif that the reference does not have: glycosylation (N-X-S/T),
        cysteine, deamidation (N-G), weak-deamidation (N-S, N-T), isomerisation (D-G), weak-isomerisation
        (D-S), oxidation (M). Several names may follow the flag.
    plate
        Number of wells of the plate, 96 or 384; they are filled column by column: A1, B1, ...
    controls
        Put the reference and the best measured variant into the first wells.
    target
        Name of the complex, if the model was adapted to several.
    seed
        Seed of the draws from the posterior distribution: the same seed gives the same batch.
    output
        File for the plate, one row per well, one that does not exist yet: .csv, .tsv, .parquet, .json or
        .xlsx.
    device
        auto, cpu, cuda or cuda:N.
    """
    from data_curation.files import refuse_existing
    from ppi.io.inputs import files_of
    from ppi.io.predictions import write_predictions

    for path in checked_outputs(output, (), [*files_of(complexes), *filter(None, [structure])]):
        refuse_existing(path)

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
    sys.stdout.write(summary_text(found, listed=output is None))
    if output is None:
        print("nothing was written; --output FILE.csv writes the plate", file=sys.stderr)
        return
    write_predictions(found.table, output)
    print(f"written: {output}", file=sys.stderr)
