"""Lay the chains of a complex onto those of a measured one, where they differ by substitutions alone."""

from __future__ import annotations

from functools import cache
from itertools import permutations
from typing import NamedTuple

import numpy as np
from Bio.Align import Alignment, PairwiseAligner

from ppi.complexes import UNKNOWN, Complex
from ppi.prediction.antibodies import outside_constant_domains

#: Most chains of a side whose orders are all tried.
MOST_CHAINS = 4
#: Least part of the longer one of two chains that is aligned.
_LEAST_COVERED = 0.7


class Placed(NamedTuple):
    """A complex laid onto another one.

    Attributes
    ----------
    complex
        The second complex with the residues of the first.
    sources
        ``(L,)`` index of each of its residues among those of the first, ligand first; -1 for a residue that
        the first lacks, or that the second does not know.
    """

    complex: Complex
    sources: np.ndarray


def place(item: Complex, onto: Complex, *, most: int) -> Placed | None:
    """Lay a complex onto another one; None if more substitutions differ.

    Residues that one of them lacks at an end of a chain, as constructs and structures do, make no difference,
    and neither do unknown ones. A residue that is inserted or missing inside does.

    Parameters
    ----------
    item
        Any complex.
    onto
        The complex whose chains and lengths the result has; its ligand is laid onto by the ligand.
    most
        Most substitutions.
    """
    ligand = _place_side(item.ligand, onto.ligand, most)
    receptor = None if ligand is None else _place_side(item.receptor, onto.receptor, most)
    if ligand is None or receptor is None:
        return None
    (chains, first), (others, second) = ligand, receptor
    second = np.where(second < 0, -1, second + sum(map(len, item.ligand)))
    return Placed(Complex(item.id, chains, others), np.concatenate([first, second]))


def _place_side(
    own: tuple[str, ...], onto: tuple[str, ...], most: int
) -> tuple[tuple[str, ...], np.ndarray] | None:
    """Return the best placement of a side over all orders of its chains, with the sources of its residues."""
    if len(own) != len(onto) or len(own) > MOST_CHAINS:
        return None
    starts = np.cumsum([0, *map(len, own)])
    best, fewest = None, most + 1
    for order in permutations(range(len(own))):
        placed = []
        for number, target in zip(order, onto, strict=True):
            found = _place_chain(own[number], target, most)
            if found is None:
                break
            placed.append(found)
        else:
            chains = tuple(chain for chain, _ in placed)
            differing = sum(substitutions(one, other) for one, other in zip(chains, onto, strict=True))
            if differing < fewest:
                sources = [
                    np.where(places < 0, -1, places + starts[number])
                    for number, (_, places) in zip(order, placed, strict=True)
                ]
                best, fewest = (chains, np.concatenate(sources)), differing
    return best


def substitutions(chain: str, other: str) -> int:
    """Return at how many positions two chains of one length differ; an unknown residue differs from none."""
    pairs = zip(chain, other, strict=True)
    return sum(mine != theirs and UNKNOWN not in (mine, theirs) for mine, theirs in pairs)


@cache
def chain_aligner() -> PairwiseAligner:
    """Make the aligner: one gap costs more than several substitutions, a missing end nothing."""
    aligner = PairwiseAligner(mode="global", match_score=1.0, mismatch_score=-0.5)
    aligner.wildcard = UNKNOWN
    aligner.open_internal_gap_score = -5.0
    aligner.extend_internal_gap_score = -1.0
    aligner.open_end_gap_score = aligner.extend_end_gap_score = 0.0
    return aligner


def _place_chain(chain: str, onto: str, most: int) -> tuple[str, np.ndarray] | None:
    """Return the target with the residues of the chain, and where in the chain these are.

    None if more substitutions differ.
    """
    if len(chain) == len(onto) and substitutions(chain, onto) <= most:
        return chain, np.arange(len(chain))
    alignment: Alignment = chain_aligner().align(onto, chain)[0]
    placed, before = list(onto), None
    sources = np.full(len(onto), -1)
    covered = np.zeros(len(onto), dtype=bool)
    for (start, end), (own_start, own_end) in zip(*alignment.aligned, strict=True):
        if before is not None and (own_start != before[1] or set(onto[before[0] : start]) - {UNKNOWN}):
            return None
        for target, own in zip(range(start, end), range(own_start, own_end), strict=True):
            if UNKNOWN not in (onto[target], chain[own]):
                placed[target], sources[target] = chain[own], own
        before, covered[start:end] = (end, own_end), True
    return ("".join(placed), sources) if _covers(covered, chain, onto) else None


def _covers(covered: np.ndarray, chain: str, onto: str) -> bool:
    """Return whether enough is aligned; chance aligns a few residues of any two chains.

    Of antibodies the variable domains are enough, because the constant ones do not bind.
    """
    if covered.sum() >= _LEAST_COVERED * max(len(chain), len(onto)):
        return True
    free = outside_constant_domains(onto)
    most = (covered & free).sum() / _LEAST_COVERED
    # Finding domains takes milliseconds, which variable domains alone need not wait for.
    return bool(free.sum() <= most and (len(chain) <= most or outside_constant_domains(chain).sum() <= most))
