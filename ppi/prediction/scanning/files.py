"""The files of a scan."""

from __future__ import annotations

import json
from pathlib import Path

from data_curation.files import atomic_file
from ppi.errors import InputError
from ppi.io.predictions import write_predictions
from ppi.prediction.scanning.dms_viz import dms_viz, read_pdb_text
from ppi.prediction.scanning.figures import heat_map_png
from ppi.prediction.scanning.page import scan_page
from ppi.prediction.scanning.scan import Scan


def write_scan(
    scan: Scan,
    *,
    output: Path | None = None,
    html: Path | None = None,
    png: Path | None = None,
    dms_viz_file: Path | None = None,
    structure: Path | None = None,
) -> None:
    """Write the files that are asked for; none is written if one cannot be made.

    Parameters
    ----------
    scan
        What was found.
    output
        Table: .csv, .tsv, .parquet, .json or .xlsx.
    html, png, dms_viz_file
        Page, heat map, and data for dms-viz.
    structure
        PDB file, for dms-viz.

    Raises
    ------
    InputError
        If a figure or the data for dms-viz cannot be made of this scan.
    data_curation.errors.OutputError
        If a file cannot be written.
    """
    contents: dict[Path, bytes] = {}
    if html is not None:
        contents[html] = scan_page(scan).encode("utf-8")
    if png is not None:
        contents[png] = heat_map_png(scan)
    if dms_viz_file is not None:
        if structure is None:
            raise InputError("dms-viz shows mutants on a structure; give one")
        text = json.dumps(dms_viz(scan, read_pdb_text(structure)), allow_nan=False)
        contents[dms_viz_file] = text.encode("utf-8")
    if output is not None:
        write_predictions(scan.table, output)
    for path, content in contents.items():
        with atomic_file(path) as temporary:
            temporary.write_bytes(content)
