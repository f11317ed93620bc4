"""A suggestion in words."""

from __future__ import annotations

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
        lines.append(f"  {row['well']:4s} {row['mutations']:40s} {value}")
    return "\n".join(lines) + "\n"
