"""A suggestion in words."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from ppi.prediction.adapting.measurements import sign_of
from ppi.prediction.scanning.summary import alanine_sentence
from ppi.prediction.suggesting.reasons import short, with_interval
from ppi.prediction.suggesting.suggest import Suggestion

#: Variants that a summary shows, and the largest plate of which it can list every well.
SHOWN, LISTED = 5, 24


def summary_text(found: Suggestion, *, listed: bool = False) -> str:
    """Return what was suggested, from what, and what was left out, in lines.

    Parameters
    ----------
    found
        The suggestion.
    listed
        List all wells, controls among them, where there are at most `LISTED`.
    """
    suggested = found.table[found.table["role"] == "suggested"]
    left_out = "; ".join(f"{reason}: {count:,}" for reason, count in found.removed.items())
    every = listed and len(found.table) <= LISTED
    lines = [
        f"{found.reference}: {len(suggested)} of {found.pool:,} variants suggested by {found.by}, wells "
        f"{found.table['well'].iloc[0]} to {found.table['well'].iloc[-1]} of {found.plate}, column by column",
        f"Left out: {left_out or 'none'}",
        f"Measured so far: {found.measured}; the best is {found.best}, {found.column} "
        f"{short(found.best_value)}",
        f"{'The batch' if every else 'First of the batch'}, with predicted {found.column} and 90 % interval:",
        *map(_line, (found.table if every else suggested.head(SHOWN)).to_dict("records")),
    ]
    if not _is_any_better(found, suggested):
        lines.append(
            "No suggested variant is predicted to be better than the best measured one: they may be better "
            "only because their predictions are uncertain"
        )
    lines += filter(None, [alanine_sentence(_exchanged(suggested))])
    return "\n".join(lines) + "\n"


def _line(row: Mapping[Hashable, Any]) -> str:
    value = with_interval(row["predicted"], row["predicted_lower"], row["predicted_upper"])
    control = "" if row["role"] == "suggested" else f"  control: {row['role']}"
    return f"  {row['well']:4s} {row['mutant']:40s} {value}{control}"


def _is_any_better(found: Suggestion, suggested: pd.DataFrame) -> bool:
    sign = sign_of(found.column)
    return bool((sign * suggested["predicted"] > sign * found.best_value).any())


def _exchanged(suggested: pd.DataFrame) -> pd.DataFrame:
    """Return the wild-type residues that each variant exchanges, as a scan has them."""
    texts = suggested["mutant"].str.split("+")
    return pd.DataFrame(
        {"wild_residue": ["+".join(text.split(":")[2][0] for text in each) for each in texts]}
    )
