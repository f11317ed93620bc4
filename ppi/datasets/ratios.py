"""How much of a small table must validate."""

from __future__ import annotations

import math

#: Groups differ in size, so that a share is rarely met exactly: it is planned larger by this factor.
_MARGIN = 1.25
#: Shares are rounded up to a multiple of 1 / `_STEPS`.
_STEPS = 20
#: With larger shares of validation and test, too little is left to train on.
_LARGEST_SHARE = 0.3


def ratios_for(total: int, complexes: int, groups: int, needed: int) -> str:
    """Return what gives a validation part enough groups, as the end of a message.

    Parameters
    ----------
    total
        Complexes of the table.
    complexes, groups
        Complexes of the validation part, and their groups.
    needed
        Groups that the validation part must have.
    """
    per_group = complexes / groups if groups else 1.0
    share = math.ceil(_STEPS * _MARGIN * needed * per_group / total) / _STEPS
    if share > _LARGEST_SHARE:
        return f"with {total} complexes the table is too small to keep that many for validation; add more"
    return (
        f"`ppi split` with --ratios {1 - 2 * share:g} {share:g} {share:g} gives validation and test about "
        f"{share * total:.0f} complexes each"
    )
