"""The files of explanations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from data_curation.files import atomic_file
from ppi.errors import InputError
from ppi.explain.explain import Explanation
from ppi.explain.page import explanation_page
from ppi.explain.structure import ColourBy, colour_structure
from ppi.io.predictions import write_predictions


def write_explanations(
    explanations: Sequence[Explanation],
    *,
    output: Path | None = None,
    html: Path | None = None,
    structure: Path | None = None,
    coloured: Path | None = None,
    colour_by: ColourBy = "attribution",
) -> None:
    """Write the files that are asked for.

    Parameters
    ----------
    explanations
        One or more.
    output
        Table, one row a residue: .csv, .tsv, .parquet, .json or .xlsx.
    html
        Page.
    structure, coloured, colour_by
        See `ppi.explain.structure.colour_structure`.

    Raises
    ------
    InputError
        If a structure is to be coloured by several complexes.
    data_curation.errors.OutputError
        If a file cannot be written.
    """
    if coloured is not None and len(explanations) != 1:
        raise InputError(
            f"a structure is coloured by one complex, and there are {len(explanations)}; give one"
        )
    if output is not None:
        write_predictions(pd.concat([item.table for item in explanations], ignore_index=True), output)
    if html is not None:
        page = explanation_page(explanations)
        with atomic_file(html) as temporary:
            temporary.write_text(page, encoding="utf-8")
    if coloured is not None and structure is not None:
        colour_structure(explanations[0], structure, coloured, by=colour_by)
