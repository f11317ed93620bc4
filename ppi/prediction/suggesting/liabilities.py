"""Sequence motifs that make a protein hard to develop, where a mutation brings a new one.

The motifs are those that antibody engineers look for; see Raybould et al., PNAS 2019 (Therapeutic Antibody
Profiler), and Lu et al., mAbs 2019 (deamidation and isomerisation in clinical antibodies).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from ppi.complexes import Complex
from ppi.errors import InputError

_CYSTEINE = "cysteine"
#: Motifs by name. A motif is at the position of its first residue; motifs may overlap.
MOTIFS = {
    "glycosylation": re.compile(r"N(?=[^P][ST])"),
    _CYSTEINE: re.compile("C"),
    "deamidation": re.compile("N(?=G)"),
    "weak-deamidation": re.compile("N(?=[ST])"),
    "isomerisation": re.compile("D(?=G)"),
    "weak-isomerisation": re.compile("D(?=S)"),
    "oxidation": re.compile("M"),
}
#: What each means, in the order of `MOTIFS`.
MEANINGS = {
    "glycosylation": "N-X-S or N-X-T, X not P: N-linked glycosylation",
    _CYSTEINE: "a new cysteine, or an odd number of them in a chain that has an even number: a free thiol",
    "deamidation": "N-G: fast deamidation of asparagine",
    "weak-deamidation": "N-S or N-T: slower deamidation",
    "isomerisation": "D-G: fast isomerisation of aspartate",
    "weak-isomerisation": "D-S: slower isomerisation",
    "oxidation": "a new methionine, which may oxidise",
}


def check_liabilities(kinds: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds, each once and in the order of `MOTIFS`.

    Raises
    ------
    InputError
        If there is no such kind.
    """
    wrong = sorted(set(kinds) - MOTIFS.keys())
    if wrong:
        raise InputError(f"there is no liability {wrong[0]!r}; the liabilities are {', '.join(MOTIFS)}")
    return tuple(kind for kind in MOTIFS if kind in kinds)


def new_liability(wild: Complex, mutant: Complex, kinds: Sequence[str]) -> str | None:
    """Return the first kind of liability that a mutant has and its wild type has not; None if there is none.

    Parameters
    ----------
    wild, mutant
        Complexes that differ by substitutions alone.
    kinds
        Names of `MOTIFS`.
    """
    changed = [(old, new) for old, new in zip(wild.chains, mutant.chains, strict=True) if old != new]
    for kind in kinds:
        if any(_is_new(kind, old, new) for old, new in changed):
            return kind
    return None


def _is_new(kind: str, old: str, new: str) -> bool:
    before, after = _positions(kind, old), _positions(kind, new)
    if after - before:
        return True
    return kind == _CYSTEINE and len(before) % 2 == 0 and len(after) % 2 == 1


@lru_cache(4096)
def _positions(kind: str, chain: str) -> frozenset[int]:
    return frozenset(found.start() for found in MOTIFS[kind].finditer(chain))
