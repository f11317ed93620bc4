"""`ppi scan`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from ppi.cli.groups import CAN_BE_OFF, DATA, HARDWARE, MODEL, MUTATIONS, OUTPUT, SEVERAL
from ppi.cli.outputs import checked_outputs
from ppi.errors import InputError


def scan(
    *complexes: Annotated[Path, DATA],
    structure: Annotated[Path | None, DATA] = None,
    output: Annotated[Path | None, OUTPUT] = None,
    html: Annotated[Path | None, OUTPUT] = None,
    png: Annotated[Path | None, OUTPUT] = None,
    dms_viz: Annotated[Path | None, OUTPUT] = None,
    novelty: Annotated[bool, OUTPUT, CAN_BE_OFF] = True,
    sites: Annotated[tuple[str, ...], MUTATIONS, SEVERAL] = (),
    alanine: Annotated[bool, MUTATIONS] = False,
    mutants: Annotated[tuple[str, ...], MUTATIONS, SEVERAL] = (),
    pairs: Annotated[bool, MUTATIONS] = False,
    model: Annotated[str, MODEL] = "default",
    anchors: Annotated[bool, MODEL, CAN_BE_OFF] = True,
    estimate: Annotated[bool, HARDWARE] = False,
    device: Annotated[str, HARDWARE] = "auto",
    store: Annotated[Path | None, HARDWARE] = None,
) -> None:
    """Predict how mutations change the binding of a complex: ddG in kcal/mol, positive for weaker binding.

    ```
    ppi scan examples/barnase_barstar.fasta --output scan.csv --html scan.html
    ppi scan examples/barnase_barstar.fasta --alanine
    ppi scan examples/hyhel10_lysozyme.fasta --sites H:95-102 L:91 --structure 3hfm.pdb
    ppi scan examples/barnase_barstar.fasta --sites ligand:1:57 receptor:1:35-39 --pairs --alanine
    ppi scan examples/barnase_barstar.fasta --mutants ligand:1:H100A ligand:1:H100A+receptor:1:D39A
    ppi scan examples/barnase_barstar.fasta --mutants designs.csv
    ppi scan examples/barnase_barstar.fasta --estimate
    ```

    By default every single mutant of every chain of both sides is scanned. A summary is printed.

    Parameters
    ----------
    complexes
        Files of complexes as `ppi predict` reads them; `-` for standard input. Each complex is scanned.
    sites
        Sites to mutate: ligand (a side), ligand:1 (a chain), ligand:1:102, ligand:1:H102 or ligand:1:95-102
        (positions, counted from 1); or H, H:100a, H:95-102 (name of a chain, numbers of the structure).
        Several may follow the flag.
    alanine
        Mutate only to alanine.
    pairs
        Scan all double mutants of the sites instead of all single ones; 50,000 at most.
    mutants
        Scan only these mutants: ligand:1:H102A, H:Y100aA (name of a chain, number of the structure) or
        H:101:Y:A (name of a chain, position in it); several mutations of one mutant are joined by +. Several
        mutants may follow the flag, or a CSV, TSV, XLSX or Parquet with a column mutant; its empty cells are
        left out.
    structure
        PDB or mmCIF file of the complex: its names of chains and numbers of residues may be used, and are
        in the output.
    output
        File for the table, one row per mutant: .csv, .tsv, .parquet, .json or .xlsx.
    html
        File for a page with the heat map, hot spots and stabilising mutants.
    png
        File for the heat map.
    dms_viz
        File for https://dms-viz.github.io (JSON); needs a structure in PDB format.
    anchors
        Use measured complexes that resemble the wild type, where the training data have any.
    model
        Model folder, name on the Hugging Face hub, or `default`, the bundled model.
    estimate
        Print how much time the scan needs, and stop.
    device
        auto, cpu, cuda or cuda:N.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    novelty
        Search for the training complexes that resemble the complex.
    """
    from ppi.io.inputs import files_of
    from ppi.io.mutants import is_table, named_mutants

    if not complexes:
        raise InputError("give one or more files of complexes, before flags that take several values")
    if dms_viz is not None:
        from ppi.prediction.scanning.dms_viz import check_pdb

        if structure is None:
            raise InputError("--dms-viz shows mutants on a structure; give it with --structure")
        check_pdb(structure)
    tables = [Path(text) for text in mutants if is_table(text)]
    sources = [*files_of(complexes), *filter(None, [structure]), *tables]
    # An estimate writes nothing, so that outputs may exist.
    outputs = [] if estimate else checked_outputs(output, (html, png, dms_viz), sources)

    from ppi.prediction.scanning.choice import Choice

    # This refuses wrong notation before a model is loaded.
    choice = Choice.of(sites, named_mutants(mutants), alanine=alanine, pairs=pairs)

    from ppi.prediction.predictor import Predictor
    from ppi.prediction.scanning.files import write_scan
    from ppi.prediction.scanning.summary import summary_text

    with Predictor(model, device=device, store=store, novelty=novelty) as predictor:
        scanning = predictor.scanning(complexes, choice, structure=structure, measured=anchors)
        if estimate:
            print(scanning.estimate().describe())
            return
        found = scanning.run()
    write_scan(found, output=output, html=html, png=png, dms_viz_file=dms_viz, structure=structure)
    sys.stdout.write(summary_text(found))
    if output is None:
        print("to write the table of all mutants with all columns, give --output FILE.csv", file=sys.stderr)
    for path in outputs:
        print(f"written: {path}", file=sys.stderr)
