"""A scan as one HTML page that needs no other file."""

from __future__ import annotations

import pandas as pd

from data_curation.html_page import html_page
from ppi.prediction.scanning.figures import heat_map_png
from ppi.prediction.scanning.scan import Scan, ScannedComplex
from ppi.prediction.scanning.summary import (
    LIMITS,
    alanine_sentence,
    familiarity_sentence,
    mutant_name,
    no_gain_sentence,
    site_table,
    strongest_binders,
    weakest_binders,
)

_ROWS = 20
#: Headers of the page's tables, by column.
_HEADERS = {
    "mutants": "mutants",
    "mean_ddg": "mean ddG (kcal/mol)",
    "largest": "largest ddG: new residue",
    "largest_ddg": "its ddG (kcal/mol)",
    "ddg_kcal_mol": "ddG (kcal/mol)",
    "ddg_lower": "90 % interval: from",
    "ddg_upper": "to",
    "ddg_from_sequence": "ddG from sequence alone",
    "interface": "at the interface (0 to 1)",
    "pkd": "pKd of the mutant",
    "measured_ddg": "measured ddG",
    "within_noise": "within the noise",
}
_CAPTION = (
    "Columns are positions, rows the new residue; red binds more weakly, blue more strongly, a dot marks the "
    "wild type, grey was not scanned. Above: the mean ddG of each site (bars, kcal/mol) and the predicted "
    "probability that it is at the interface (blue line)."
)


def scan_page(scan: Scan) -> str:
    """Return the page."""
    title = f"Scan of {', '.join(item.wild.id for item in scan.complexes[:3])}"
    title += f" and {len(scan.complexes) - 3} more" if len(scan.complexes) > 3 else ""
    return html_page(
        "ppi.prediction.scanning",
        "scan.html",
        title=title,
        limits=LIMITS,
        caption=_CAPTION,
        complexes=[_complex(item) for item in scan.complexes],
    )


def _complex(item: ScannedComplex) -> dict[str, object]:
    """Return what the page shows of a complex; it leaves out tables without rows."""
    sites = site_table(item)
    strongest = strongest_binders(item).head(_ROWS)
    measured = item.table[item.table["measured_ddg"].notna()]
    return {
        "name": item.wild.id,
        "familiarity": familiarity_sentence(item),
        "warnings": item.prediction["warnings"],
        "heat_map": heat_map_png(item) if len(sites) else None,
        "sites": _rounded(sites.head(_ROWS)),
        "weakest": _mutants(weakest_binders(item).head(_ROWS)),
        "sentences": [*filter(None, (no_gain_sentence(item), alanine_sentence(strongest)))],
        "strongest": _mutants(strongest),
        "measured": _mutants(measured.sort_values("measured_ddg", ascending=False), "measured_ddg"),
    }


def _mutants(rows: pd.DataFrame, *more: str) -> pd.DataFrame:
    numbers = ["ddg_kcal_mol", "ddg_lower", "ddg_upper", "ddg_from_sequence", "interface", "pkd", *more]
    names = [mutant_name(row) for _, row in rows.iterrows()]
    shown = rows[[*numbers, "within_noise"]].reset_index(drop=True)
    shown.insert(0, "mutant", names)
    return _rounded(shown)


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    numbers = table.select_dtypes("float").columns
    shown = table.assign(**{name: [f"{value:.2f}" for value in table[name]] for name in numbers})
    return shown.replace({True: "yes", False: "no"}).rename(columns=_HEADERS)
