"""The best pairs of a screen in words, read from its output."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

import pandas as pd

from ppi.plurals import counted
from ppi.prediction.screening.output import read_blocks

#: Most rows that are shown, and most targets.
_ROWS, _TARGETS = 10, 5
_COLUMNS = [
    "ligand",
    "receptor",
    "rank",
    "overlapping",
    "pkd",
    "pkd_lower",
    "pkd_upper",
    "novelty",
    "anchors",
]

#: Follows the name of a target.
_ALIKE = ": none of these can be told apart, because all their intervals overlap"


def ranking_text(output: Path, per: Literal["ligand", "receptor"], targets: int) -> str:
    """Return the best partners of the first targets as lines; empty if the output has no rows.

    Parameters
    ----------
    output
        The file of a screen.
    per
        Which side is the target.
    targets
        Number of targets of the screen.
    """
    partner = "ligand" if per == "receptor" else "receptor"
    shown = max(1, _ROWS // min(targets, _TARGETS))
    found = list(islice(_of_targets(output, per, shown), _TARGETS + 1))
    if not found:
        return ""
    more = len(found) > _TARGETS
    first = f"the first {_TARGETS} of {targets:,} {per}s" if more else f"each {per}"
    lines = [f"Best {partner}s of {first}, by pKd with its 90 % interval:"]
    for name, rows in found[:_TARGETS]:
        lines.append(name + _ALIKE * _all_overlap(rows))
        lines += [_line(row, partner) for row in rows.to_dict("records")]
    if not more and targets > len(found):
        lines.append(f"{targets - len(found):,} of {targets:,} {per}s have no pair in the output.")
    lines.append(
        "overlapping: how many other pairs of the target have an interval that overlaps with this one's."
    )
    if any((rows["anchors"] > 0).any() for _, rows in found[:_TARGETS]):
        lines.append("anchors: how many measured complexes that resemble the pair its pKd starts from.")
    return "\n".join(lines) + "\n"


def _of_targets(output: Path, per: str, most: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield each target that has rows and the first of its rows; the file has target after target."""
    current: pd.DataFrame | None = None
    for block in read_blocks(output, _COLUMNS):
        for name, rows in block.groupby(per, sort=False, observed=True):
            if current is not None and current[per].iloc[0] == name:
                current = pd.concat([current, rows]).head(most)
                continue
            if current is not None:
                yield str(current[per].iloc[0]), current
            current = rows.head(most)
    if current is not None:
        yield str(current[per].iloc[0]), current


def _all_overlap(rows: pd.DataFrame) -> bool:
    return len(rows) > 1 and bool(rows["pkd_lower"].max() <= rows["pkd_upper"].min())


def _line(row: dict, partner: str) -> str:
    novelty = f"   {row['novelty']}" if isinstance(row["novelty"], str) else ""
    anchors = f"   {counted(int(row['anchors']), 'anchor')}" if row["anchors"] > 0 else ""
    interval = f"({row['pkd_lower']:.2f} to {row['pkd_upper']:.2f})"
    return (
        f"  {row['rank']:3d}  {row[partner]:24s} {row['pkd']:6.2f}   {interval}   "
        f"{row['overlapping']:,} overlapping{novelty}{anchors}"
    )
