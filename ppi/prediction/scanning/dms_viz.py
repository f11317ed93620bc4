"""A scan in the JSON format of dms-viz (https://dms-viz.github.io), as `configure-dms-viz` 1.7 writes it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from ppi.errors import InputError
from ppi.prediction.scanning.figures import ALPHABET
from ppi.prediction.scanning.labels import ChainLabels
from ppi.prediction.scanning.scan import Scan, ScannedComplex

_METRIC = "ddG"
_TOOLTIPS = {"ddg_lower": "Lower end", "ddg_upper": "Upper end", "interface": "Interface"}
_PDB_SUFFIXES = (".pdb", ".ent", ".pdb.gz", ".ent.gz")


def check_pdb(path: Path) -> None:
    """Raise unless the suffix of a structure is one of PDB files.

    Raises
    ------
    InputError
        If it is another one.
    """
    if not path.name.lower().endswith(_PDB_SUFFIXES):
        raise InputError(f"{path}: dms-viz takes structures in PDB format; give a .pdb file, not mmCIF")


def read_pdb_text(path: Path) -> str:
    """Return the text of a PDB file, which dms-viz takes along with the data; see `check_pdb`."""
    check_pdb(path)
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix.lower() == ".gz" else data).decode("latin-1")


def dms_viz(scan: Scan, pdb: str) -> dict[str, Any]:
    """Return a data set for each chain with single mutants of residues that the structure has.

    Parameters
    ----------
    scan
        Made with a structure.
    pdb
        Text of the PDB file.

    Raises
    ------
    InputError
        If the scan has no such mutant.
    """
    found = {
        f"{item.wild.id} {label.name}": data
        for item in scan.complexes
        for label in item.labels
        if (data := _experiment(item, label, pdb)) is not None
    }
    if not found:
        raise InputError("dms-viz shows single mutants of residues of a structure, and the scan has none")
    return found


def _experiment(item: ScannedComplex, label: ChainLabels, pdb: str) -> dict[str, Any] | None:
    singles = item.singles()
    own = singles[
        (singles["side"] == label.side) & (singles["chain"] == label.chain) & singles["author_number"].notna()
    ]
    if own.empty:
        return None
    rows = [
        {
            "reference_site": row["author_number"],
            "wildtype": row["wild_residue"],
            "mutant": row["mutant_residue"],
            _METRIC: round(row["ddg_kcal_mol"], 3),
            **{name: round(row[name], 3) for name in _TOOLTIPS if row[name] == row[name]},
        }
        for row in own.to_dict("records")
    ]
    sites = dict(zip(own["author_number"], own["position"], strict=True))
    return {
        "mut_metric_df": rows,
        "sitemap": {
            number: {"protein_site": number, "sequential_site": int(place), "chains": label.name}
            for number, place in sites.items()
        },
        "metric_col": _METRIC,
        "condition_col": None,
        "conditions": [],
        "condition_colors": {"default": "#0072B2"},
        "negative_condition_colors": {"default": "#CC79A7"},
        "alphabet": list(ALPHABET),
        "pdb": pdb,
        "dataChains": [label.name],
        "excludeChains": ["none"],
        "filter_cols": None,
        "filter_limits": None,
        "heatmap_limits": None,
        "tooltip_cols": {name: title for name, title in _TOOLTIPS.items() if name in rows[0]},
        "excludedAminoAcids": None,
        "description": f"Predicted ddG of {item.wild.id}, {label}, in kcal/mol; positive: weaker binding",
        "title": f"{item.wild.id}, chain {label.name}",
        "floor": False,
        "summary_stat": "mean",
    }
