"""`ppi predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from ppi.cli.groups import CAN_BE_OFF, DATA, HARDWARE, MODEL, OUTPUT
from ppi.cli.outputs import checked_outputs
from ppi.errors import InputError
from ppi.plurals import counted


def predict(
    *complexes: Annotated[Path, DATA],
    ligand: Annotated[Path | None, DATA] = None,
    receptor: Annotated[Path | None, DATA] = None,
    truncate: Annotated[bool, DATA] = False,
    output: Annotated[Path | None, OUTPUT] = None,
    temperature_kelvin: Annotated[float, OUTPUT] = 298.15,
    novelty: Annotated[bool, OUTPUT, CAN_BE_OFF] = True,
    model: Annotated[str, MODEL] = "default",
    device: Annotated[str, HARDWARE] = "auto",
    store: Annotated[Path | None, HARDWARE] = None,
) -> None:
    """Predict pKd = -log10(Kd / M) of complexes, with an interval.

    ```
    ppi predict examples/barnase_barstar.fasta
    ppi predict complexes.csv more.xlsx folder --output predictions.csv
    ppi predict --ligand antibodies.fasta --receptor antigen.fasta --output out.parquet
    cat complexes.fasta | ppi predict -
    ```

    Input is one or more files of complexes, or two FASTA files of sides. Ligand and receptor are the two
    sides of a complex; either protein may be the ligand.

    Parameters
    ----------
    complexes
        FASTA (`>ID|ligand` and `>ID|receptor`, chains joined by `:`; or one record per chain,
        `>ID|ligand|H`), or CSV, TSV, XLSX or Parquet with columns id, ligand, receptor, optionally compressed
        with gzip; folders of such files; `-` for standard input.
    ligand
        FASTA of ligand sides, with --receptor. Records are paired by position; a single record is paired with
        every record of the other file.
    receptor
        FASTA of receptor sides, with --ligand.
    output
        File for the predictions: .csv, .tsv, .parquet, .json or .xlsx. Without it, a terminal shows the first
        ten as text, and a pipe or a redirection gets CSV.
    model
        Model folder, name on the Hugging Face hub, or `default`, the bundled model; or the folder of a model
        that `ppi adapt` made, which ranks variants: its input may name them in a column mutant, and of the
        other flags only --ligand, --receptor, --output and --device apply to it.
    temperature_kelvin
        Temperature used to convert pKd to dG, unless the table has a column of this name.
    truncate
        Shorten complexes over the model's limit and mark them in the output, instead of stopping with an
        error.
    device
        auto, cpu, cuda or cuda:N.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    novelty
        Search for the training complexes that resemble each complex; without it, predictions are faster.
    """
    from ppi.io.fasta import read_side_pairs
    from ppi.io.inputs import files_of
    from ppi.io.predictions import format_csv, write_predictions
    from ppi.io.readable import readable

    if (ligand is None) != (receptor is None) and not complexes:
        absent, given = ("--receptor", "--ligand") if receptor is None else ("--ligand", "--receptor")
        raise InputError(f"{absent} is missing; {given} is one side, and needs the file of the other one")
    if bool(complexes) == (ligand is not None) or (ligand is None) != (receptor is None):
        raise InputError("give either files of complexes, or both --ligand and --receptor")
    checked_outputs(output, (), [*files_of(complexes), *filter(None, (ligand, receptor))])

    from ppi.prediction.predict import predict as run

    if ligand is not None and receptor is not None:
        source: object = read_side_pairs(ligand, receptor)
    else:
        source = complexes
    table = run(
        source,  # type: ignore[arg-type]
        model=model,
        temperature_kelvin=temperature_kelvin,
        truncate=truncate,
        device=device,
        store=store,
        novelty=novelty,
    )
    text = readable(table)
    if output is None:
        shown = text if sys.stdout.isatty() else None
        sys.stdout.write(shown or format_csv(table) or "")
        return
    write_predictions(table, output)
    noted = int((table["warnings"] != "").sum()) if "warnings" in table else 0
    notes = f"; rows with a note in the column warnings: {noted}" if noted else ""
    print(f"{text or ''}{counted(len(table), 'prediction')} written to {output}{notes}", file=sys.stderr)
