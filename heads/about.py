"""What a part is, for the people who choose between parts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """Where a part comes from, what it costs and what it is for.

    Attributes
    ----------
    source
        Publication, as "Author year, title".
    cost
        How time grows with the number of residues ``n`` of a segment, for example ``n`` or ``n^2``.
    purpose
        What it computes or is for, in one sentence.
    """

    source: str
    cost: str
    purpose: str
