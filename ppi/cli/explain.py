"""`ppi explain`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from ppi.cli.outputs import checked_outputs
from ppi.errors import InputError


def explain(
    *complexes: Path,
    output: Path | None = None,
    html: Path | None = None,
    structure: Path | None = None,
    coloured: Path | None = None,
    colour_by: Literal["attribution", "interface"] = "attribution",
    orders: int = 16,
    model: str = "default",
    device: str = "auto",
    store: Path | None = None,
) -> None:
    """Say which residues carry the prediction for a complex, and whether that can be trusted.

    Each residue gets its attribution: what it adds to pKd, compared with the average residue of the training
    complexes. The attributions add up to the difference from a complex of average residues. A check of their
    faithfulness stands beside them. A summary goes to standard output.

    ```
    ppi explain examples/barnase_barstar.fasta --html explained.html
    ppi explain examples/barnase_barstar.fasta --output residues.csv
    ppi explain complex.fasta --structure complex.pdb --coloured interface.pdb --colour-by interface
    ```

    Parameters
    ----------
    complexes
        Files of complexes as `ppi predict` reads them; `-` for standard input. Each complex is explained.
    output
        File for the table, one row a residue: .csv, .tsv, .parquet or .json.
    html
        File for a page with the attributions along the chains and the predicted interface.
    structure
        PDB or mmCIF file of the complex: its names of chains and numbers of residues are in the output.
    coloured
        File for the structure with the attribution, or the predicted interface, as B-factors.
    colour_by
        Which of the two: an attribution is scaled so that the largest is 100, a probability is in percent.
    orders
        Random orders in which residues are added to the average complex; more make the errors smaller, and
        take longer.
    model
        Model folder, name on the Hugging Face hub, or `default`, the model that ships in the package.
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
