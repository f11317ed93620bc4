"""A scan as one HTML page that needs no other file."""

from __future__ import annotations

import html
from collections.abc import Iterator

import pandas as pd

from data_curation.html_page import html_figure, html_page, html_table
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
_CAPTION = (
    "Columns are positions, rows the new residue; red binds more weakly, blue more strongly, a dot marks the "
    "wild type, grey was not scanned. Above: the mean ddG of each site (bars, kcal/mol) and the predicted "
    "probability that it is at the interface (blue line)."
)


def scan_page(scan: Scan) -> str:
    """Return the page."""
    title = f"Scan of {', '.join(item.wild.id for item in scan.complexes[:3])}"
    title += f" and {len(scan.complexes) - 3} more" if len(scan.complexes) > 3 else ""
    body = [f"<h1>{html.escape(title)}</h1>", f'<p class="warning">{html.escape(LIMITS)}</p>']
    return html_page(
        title, "\n".join([*body, *(part for item in scan.complexes for part in _sections(item))])
    )


def _sections(item: ScannedComplex) -> Iterator[str]:
    yield f"<h2>{html.escape(item.wild.id)}</h2>"
    yield f"<p>{html.escape(familiarity_sentence(item))}</p>"
    if item.prediction["warnings"]:
        yield f'<p class="warning">{html.escape(item.prediction["warnings"])}</p>'
    sites = site_table(item)
    if len(sites):
        yield html_figure(heat_map_png(item), "png", f"heat map of {item.wild.id}", _CAPTION)
        yield "<h3>Hot spots</h3>"
        yield html_table(_rounded(sites.head(_ROWS)))
    worse = weakest_binders(item).head(_ROWS)
    if len(worse):
        yield "<h3>Mutants that weaken binding most</h3>"
        yield html_table(_mutants(worse))
    yield "<h3>Best stabilising mutants</h3>"
    better = strongest_binders(item).head(_ROWS)
    for sentence in filter(None, (no_gain_sentence(item), alanine_sentence(better))):
        yield f"<p>{html.escape(sentence)}</p>"
    if len(better):
        yield html_table(_mutants(better))
    known = item.table[item.table["measured_ddg"].notna()]
    if len(known):
        yield "<h3>Beside what was measured</h3>"
        yield "<p>These mutants are among the measured complexes that the best estimate starts from.</p>"
        yield html_table(_mutants(known.sort_values("measured_ddg", ascending=False), "measured_ddg"))


def _mutants(rows: pd.DataFrame, *more: str) -> pd.DataFrame:
    numbers = ["ddg_kcal_mol", "ddg_lower", "ddg_upper", "ddg_from_sequence", "interface", "pkd", *more]
    names = [mutant_name(row) for _, row in rows.iterrows()]
    shown = rows[[*numbers, "within_noise"]].reset_index(drop=True)
    shown.insert(0, "mutant", names)
    return _rounded(shown)


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    numbers = table.select_dtypes("float").columns
    return table.assign(**{name: [f"{value:.2f}" for value in table[name]] for name in numbers})
