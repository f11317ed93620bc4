"""`ppi explain`, a verb with a command of its own beside it: `ppi explain attention`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App

from ppi.cli.explain_attention import attention
from ppi.cli.groups import DATA, FURTHER, HARDWARE, MODEL, OUTPUT
from ppi.cli.outputs import checked_outputs
from ppi.errors import InputError

explain = App(name="explain")
explain.command(attention, group=FURTHER)


@explain.default
def explain_complexes(
    *complexes: Annotated[Path, DATA],
    structure: Annotated[Path | None, DATA] = None,
    output: Annotated[Path | None, OUTPUT] = None,
    html: Annotated[Path | None, OUTPUT] = None,
    coloured: Annotated[Path | None, OUTPUT] = None,
    colour_by: Annotated[Literal["attribution", "interface"], OUTPUT] = "attribution",
    model: Annotated[str, MODEL] = "default",
    orders: Annotated[int, MODEL] = 16,
    device: Annotated[str, HARDWARE] = "auto",
    store: Annotated[Path | None, HARDWARE] = None,
) -> None:
    """Show which residues a prediction depends on, and test whether that can be trusted.

    ```
    ppi explain examples/barnase_barstar.fasta --html explained.html
    ppi explain examples/barnase_barstar.fasta --output residues.csv
    ppi explain complex.fasta --structure complex.pdb --coloured interface.pdb --colour-by interface
    ```

    The attribution of a residue is what it adds to pKd, compared with the average residue of the training
    complexes; attributions add up to the difference from a complex of average residues. A summary is printed,
    with a test of how faithful the attributions are to the model.

    `ppi explain attention` shows what the heads of a language model or of a mixer attend.

    Parameters
    ----------
    complexes
        Files of complexes as `ppi predict` reads them; `-` for standard input. Each complex is explained.
    output
        File for the table, one row per residue: .csv, .tsv, .parquet, .json or .xlsx.
    html
        File for a page with the attributions along the chains and the predicted interface.
    structure
        PDB or mmCIF file of the complex: its names of chains and numbers of residues are in the output.
    coloured
        File for the structure with attributions, or the predicted interface, as B-factors; needs --structure.
    colour_by
        What the B-factors are: attribution, scaled so that the largest is 100; or interface, its predicted
        probability in percent.
    orders
        Number of random orders in which residues are added to the average complex; more orders take longer
        and make the errors smaller.
    model
        Model folder, name on the Hugging Face hub, or `default`, the bundled model.
    device
        auto, cpu, cuda or cuda:N.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.
    """
    from ppi.io.inputs import files_of

    if not complexes:
        raise InputError("give one or more files of complexes")
    if coloured is not None and structure is None:
        raise InputError("--coloured writes a structure again; give it with --structure")
    sources = [*files_of(complexes), *filter(None, [structure])]
    outputs = checked_outputs(output, (html, coloured), sources)

    from ppi.explain.explain import explain as run
    from ppi.explain.files import write_explanations
    from ppi.explain.page import summary_text
    from ppi.explain.structure import check_formats
    from ppi.prediction.predictor import Predictor

    if structure is not None and coloured is not None:
        check_formats(structure, coloured)
    with Predictor(model, device=device, store=store, novelty=False) as predictor:
        found = run(predictor, complexes, structure=structure, orders=orders)
    write_explanations(
        found, output=output, html=html, structure=structure, coloured=coloured, colour_by=colour_by
    )
    sys.stdout.write(summary_text(found))
    for path in outputs:
        print(f"written: {path}", file=sys.stderr)
