"""Explanations as text, and as one HTML page that needs no other file."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

import pandas as pd

from data_curation.html_page import html_figure, html_page, html_table
from ppi.explain.explain import Explanation
from ppi.explain.figures import attention_png, track_png

_TOP = 15
LIMITS = (
    "An attribution says what the model responds to, not what holds the proteins together. It is of the "
    "model alone: where ppi predict starts from measured complexes, that part is not explained here."
)
_TRACK = (
    "What each residue adds to the predicted pKd, compared with the average residue of the training "
    "complexes (blue: higher, red: lower; grey: standard error), and the predicted probability that it is "
    "at the interface (green line)."
)
_ATTENTION = "How much residues of the two sides attend each other in the head, the mean of both directions."


def sum_sentence(explanation: Explanation) -> str:
    """Return how the prediction is made up."""
    found = explanation.attribution
    return (
        f"The model alone predicts pKd {found.prediction:.2f}. A complex of average residues with chains of "
        f"the same lengths gets {found.reference:.2f}; the residues add {found.values.sum():+.2f}."
    )


def top_residues(explanation: Explanation) -> pd.DataFrame:
    """Return the residues with the largest attributions of either sign."""
    table = explanation.table
    return table.loc[table["attribution"].abs().sort_values(ascending=False, kind="stable").index[:_TOP]]


def summary_text(explanations: Sequence[Explanation]) -> str:
    """Return a summary for a terminal."""
    return "\n".join(line for item in explanations for line in _lines(item)) + "\n"


def explanation_page(explanations: Sequence[Explanation]) -> str:
    """Return the page."""
    title = f"What carries the prediction for {', '.join(item.complex.id for item in explanations[:3])}"
    title += f" and {len(explanations) - 3} more" if len(explanations) > 3 else ""
    body = [f"<h1>{html.escape(title)}</h1>", f'<p class="warning">{html.escape(LIMITS)}</p>']
    return html_page(title, "\n".join([*body, *(part for item in explanations for part in _sections(item))]))


def _lines(item: Explanation) -> Iterator[str]:
    yield f"{item.complex.id}"
    yield f"  {sum_sentence(item)}"
    yield f"  {item.faithfulness}"
    yield "  Residues with the largest attributions:"
    for row in top_residues(item).head(5).to_dict("records"):
        yield f"    {_name(row)}: {row['attribution']:+.3f} (interface {row['interface']:.2f})"


def _sections(item: Explanation) -> Iterator[str]:
    yield f"<h2>{html.escape(item.complex.id)}</h2>"
    yield f"<p>{html.escape(sum_sentence(item))}</p>"
    kind = "" if item.faithfulness.faithful else ' class="warning"'
    yield f"<p{kind}>{html.escape(str(item.faithfulness))}</p>"
    yield html_figure(track_png(item), "png", f"attribution of {item.complex.id}", _TRACK)
    attention = attention_png(item)
    if attention is not None:
        yield html_figure(attention, "png", f"attention in {item.complex.id}", _ATTENTION)
    yield "<h3>Residues with the largest attributions</h3>"
    top = top_residues(item)
    numbers = ["attribution", "attribution_error", "pooling_weight", "interface"]
    shown = top[numbers].map(lambda value: f"{value:.3f}").reset_index(drop=True)
    shown.insert(0, "residue", [_name(row) for row in top.to_dict("records")])
    yield html_table(shown)


def _name(row: dict) -> str:
    number = row["author_number"] if isinstance(row["author_number"], str) else row["position"]
    chain = row["chain_name"] if isinstance(row["chain_name"], str) else f"{row['side']}:{row['chain']}"
    return f"{chain}:{row['residue']}{number}"
