"""A suggestion in words."""

from __future__ import annotations

import pandas as pd

from ppi.prediction.scanning.summary import alanine_sentence
from ppi.prediction.suggesting.reasons import short, with_interval
from ppi.prediction.suggesting.suggest import Suggestion

#: Rows that a summary shows.
SHOWN = 5


def summary_text(found: Suggestion) -> str:
    """Return what was suggested, from what, and what was left out, in lines."""
    suggested = found.table[found.table["role"] == "suggested"]
    left_out = "; ".join(f"{reason}: {count:,}" for reason, count in found.removed.items())
    lines = [
        f"{found.reference}: {len(suggested)} of {found.pool:,} variants suggested by {found.by}, wells "
        f"{found.table['well'].iloc[0]} to {found.table['well'].iloc[-1]} of {found.plate}, column by column",
        f"Left out: {left_out or 'none'}",
        f"Measured so far: {found.measured}; the best is {found.best}, {found.column} "
        f"{short(found.best_value)}",
        f"First of the batch, with predicted {found.column} and 90 % interval:",
    ]
    for row in suggested.head(SHOWN).to_dict("records"):
        value = with_interval(row["predicted"], row["predicted_lower"], row["predicted_upper"])
        lines.append(f"  {row['well']:4s} {row['mutant']:40s} {value}")
    lines += filter(None, [alanine_sentence(_exchanged(suggested))])
    return "\n".join(lines) + "\n"


def _exchanged(suggested: pd.DataFrame) -> pd.DataFrame:
    """Return the wild-type residues that each variant exchanges, as a scan has them."""
    texts = suggested["mutant"].str.split("+")
    return pd.DataFrame(
        {"wild_residue": ["+".join(text.split(":")[2][0] for text in each) for each in texts]}
    )
