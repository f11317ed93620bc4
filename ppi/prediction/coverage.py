"""What of a complex and of its nearest training complex has no counterpart: identities do not count it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import pyopal

from ppi.complexes import UNKNOWN, Complex
from ppi.plurals import counted
from ppi.prediction.antibodies import outside_constant_domains
from ppi.prediction.neighbours import MIN_PLACED_IDENTITY
from ppi.prediction.novelty import MIN_COVERAGE, alignments

#: Pair identity from which a complex looks as if it were the training complex. Less similar chains have gaps
#: by nature.
MIN_PAIR_IDENTITY = MIN_PLACED_IDENTITY
#: Part of a chain that may be missing at its ends, as constructs and structures often differ there.
_LOOSE_ENDS = 1 - MIN_COVERAGE


class _Comparison(NamedTuple):
    """Two chains: identical residues, and those of either without a counterpart, inside and at the ends."""

    same: int
    lacks_inside: int
    lacks_at_ends: int
    adds_inside: int
    adds_at_ends: int


def uncovered(item: Complex, nearest: Complex | None, pair_identity: float) -> str:
    """Return, in words, how a complex and its nearest training complex differ beyond substitutions.

    Empty where they do not, and where the identity is below `MIN_PAIR_IDENTITY`.

    Parameters
    ----------
    item
        Any complex.
    nearest, pair_identity
        Its nearest training complex, in either order of its sides, and the identity to it; see
        `ppi.prediction.novelty.NearestComplex`.
    """
    if nearest is None or pair_identity < MIN_PAIR_IDENTITY:
        return ""
    parts = list(_parts(item, nearest))
    if not parts:
        return ""
    return f"compared with {nearest.id}, {', '.join(parts)} (identities do not count this)"


def _parts(item: Complex, nearest: Complex) -> Iterator[str]:
    own = item.ligand, item.receptor
    orders = (nearest.ligand, nearest.receptor), (nearest.receptor, nearest.ligand)
    if any(_only_substituted(own, order) for order in orders):
        return  # Most designs are such; aligning each of thousands would take long.
    found = [[_best_chains(*both) for both in zip(own, order, strict=True)] for order in orders]
    chosen = max((0, 1), key=lambda order: sum(chain.same for side in found[order] for chain in side))
    for name, side, chains in zip(("ligand", "receptor"), orders[chosen], found[chosen], strict=True):
        if len(chains) != len(side):
            yield f"{name} has {counted(len(chains), 'chain')} instead of {len(side)}"
        for number, chain in enumerate(chains, start=1):
            where = f"{name} chain {number}" if len(chains) > 1 else name
            yield from (f"{where} {difference}" for difference in _differences(chain))


def _only_substituted(own: Sequence[Sequence[str]], other: Sequence[Sequence[str]]) -> bool:
    """Return whether each chain has a counterpart of its length with few other residues, place by place."""
    for side, onto in zip(own, other, strict=True):
        free = list(onto)
        for chain in side:
            found = next((one for one in free if _in_place(chain, one)), None)
            if found is None:
                return False
            free.remove(found)
        if free:
            return False
    return True


@lru_cache(16_384)
def _in_place(chain: str, other: str) -> bool:
    if len(chain) != len(other):
        return False
    return sum(map(str.__eq__, chain, other)) >= MIN_PAIR_IDENTITY * len(chain)


def _best_chains(own: Sequence[str], other: Sequence[str]) -> list[_Comparison]:
    """Return the comparison of each chain with the most similar chain of the other side."""
    return [max((_compare(chain, onto) for onto in other), key=lambda found: found.same) for chain in own]


@lru_cache(16_384)
def _compare(chain: str, other: str) -> _Comparison:
    if chain == other:
        return _Comparison(len(chain), 0, 0, 0, 0)
    for hit in alignments(chain, pyopal.Database([other]), "full"):
        return _Comparison(
            same=hit.alignment.count("M"),
            lacks_inside=_known(_skipped(other[hit.target_start :], hit.alignment, "I")),
            lacks_at_ends=_known(_loose(other, hit.target_start, hit.target_end + 1)),
            adds_inside=_known(_skipped(chain[hit.query_start :], hit.alignment, "D")),
            adds_at_ends=_known(_loose(chain, hit.query_start, hit.query_end + 1)),
        )
    return _Comparison(0, 0, 0, 0, 0)


def _loose(chain: str, start: int, end: int) -> str:
    """Return the residues before and behind an aligned part; few are no difference.

    Constant domains of antibodies are none either, because they do not bind.
    """
    if len(chain) - (end - start) <= _LOOSE_ENDS * len(chain):
        return ""
    free = outside_constant_domains(chain).tolist()
    free[start:end] = [False] * (end - start)
    left = "".join(residue for residue, counts in zip(chain, free, strict=True) if counts)
    return left if len(left) > _LOOSE_ENDS * len(chain) else ""


def _skipped(residues: str, steps: str, gap: str) -> str:
    """Return the residues that are opposite to a gap; `gap` is its step, the other kind uses no residue."""
    used = (step for step in steps if step in ("M", "X", gap))
    return "".join(residue for residue, step in zip(residues, used, strict=False) if step == gap)


def _known(residues: str) -> int:
    """Return how many residues are known: unresolved ones of a structure are no difference."""
    return len(residues) - residues.count(UNKNOWN)


def _differences(chain: _Comparison) -> Iterator[str]:
    """Yield what follows the name of a chain: what it lacks, and has beyond the training complex."""
    for number, text in (
        (chain.lacks_inside, "lacks {} inside"),
        (chain.lacks_at_ends, "lacks {} at its ends"),
        (chain.adds_inside, "has {} more inside"),
        (chain.adds_at_ends, "has {} more at its ends"),
    ):
        if number:
            yield text.format(counted(number, "residue"))
