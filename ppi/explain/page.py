"""Explanations as text, and as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from data_curation.html_page import html_page
from ppi.explain.explain import Explanation
from ppi.explain.figures import attention_png, track_png
from ppi.prediction.scanning.labels import residue_name

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
    return html_page(
        "ppi.explain",
        "explanation.html",
        title=title,
        limits=LIMITS,
        captions={"track": _TRACK, "attention": _ATTENTION},
        explanations=[_section(item) for item in explanations],
    )


def _lines(item: Explanation) -> Iterator[str]:
    yield f"{item.complex.id}"
    yield f"  {sum_sentence(item)}"
    yield f"  {item.faithfulness}"
    yield "  Residues with the largest attributions:"
    for row in top_residues(item).head(5).to_dict("records"):
        name = residue_name(row, row["residue"])
        yield f"    {name}: {row['attribution']:+.3f} (interface {row['interface']:.2f})"


def _section(item: Explanation) -> dict[str, object]:
    """Return what the page shows of a complex."""
    top = top_residues(item)
    numbers = ["attribution", "attribution_error", "pooling_weight", "interface"]
    residues = top[numbers].map(lambda value: f"{value:.3f}").reset_index(drop=True)
    residues.insert(0, "residue", [residue_name(row, row["residue"]) for row in top.to_dict("records")])
    return {
        "name": item.complex.id,
        "sum": sum_sentence(item),
        "faithful": item.faithfulness.faithful,
        "faithfulness": str(item.faithfulness),
        "track": track_png(item),
        "attention": attention_png(item),
        "residues": residues,
    }
