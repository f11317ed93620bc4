"""Whether the sides of a screen are variants of one protein."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import pyopal

from ppi.errors import PpiWarning
from ppi.io.sides import Side
from ppi.prediction.novelty import alignments

#: Sides that are compared at most, the first ones, and fewest of which something can be said.
_COMPARED, _FEWEST = 300, 3
#: Identity to the first side, over the longer of the two, above which a side looks like a variant of it.
_VARIANT = 0.9


def warn_of_variants(sides: Sequence[Side], role: str) -> None:
    """Warn if most of the sides are over 90 % identical to the first.

    Parameters
    ----------
    sides
        Sides of one role.
    role
        ``ligand`` or ``receptor``.
    """
    first, *others = ("".join(side.chains) for side in sides[:_COMPARED])
    if len(others) < _FEWEST - 1:
        return
    near = 0
    for hit in alignments(first, pyopal.Database(others), "full"):
        longer = max(len(first), len(others[hit.target_index]))
        near += hit.alignment.count("M") > _VARIANT * longer
    if 2 * near > len(others):
        compared = "" if len(sides) <= _COMPARED else f" first {_COMPARED}"
        warnings.warn(
            f"most of the{compared} {role}s are over {_VARIANT:.0%} identical to {sides[0].id!r}: they look "
            "like variants of one protein, which pKd ranks only where it starts from measured complexes "
            "(column anchors); `ppi scan` predicts what mutations change, and `ppi adapt` learns from "
            "measured variants",
            PpiWarning,
            stacklevel=3,
        )
