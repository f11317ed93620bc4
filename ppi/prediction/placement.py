"""Lay the chains of a complex onto those of a measured one, where they differ by substitutions alone."""

from __future__ import annotations

from functools import cache
from itertools import permutations

from Bio.Align import Alignment, PairwiseAligner

from ppi.complexes import UNKNOWN, Complex

#: Most chains of a side whose orders are all tried.
MOST_CHAINS = 4


def place(item: Complex, onto: Complex, *, most: int) -> Complex | None:
    """Return the second complex with the residues of the first, or None if more than substitutions differ.

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
    return None if ligand is None or receptor is None else Complex(item.id, ligand, receptor)


def _place_side(own: tuple[str, ...], onto: tuple[str, ...], most: int) -> tuple[str, ...] | None:
    """Return the best placement of a side over all orders of its chains."""
    if len(own) != len(onto) or len(own) > MOST_CHAINS:
        return None
    best, fewest = None, most + 1
    for order in permutations(own):
        placed = []
        for chain, target in zip(order, onto, strict=True):
            found = _place_chain(chain, target, most)
            if found is None:
                break
            placed.append(found)
        else:
            differing = sum(substitutions(one, other) for one, other in zip(placed, onto, strict=True))
            if differing < fewest:
                best, fewest = tuple(placed), differing
    return best


def substitutions(chain: str, other: str) -> int:
    """Return at how many positions two chains of one length differ; an unknown residue differs from none."""
    pairs = zip(chain, other, strict=True)
    return sum(mine != theirs and UNKNOWN not in (mine, theirs) for mine, theirs in pairs)


@cache
def _aligner() -> PairwiseAligner:
    """Make the aligner: one gap costs more than several substitutions, a missing end nothing."""
    aligner = PairwiseAligner(mode="global", match_score=1.0, mismatch_score=-0.5)
    aligner.wildcard = UNKNOWN
    aligner.open_internal_gap_score = -5.0
    aligner.extend_internal_gap_score = -1.0
    aligner.open_end_gap_score = aligner.extend_end_gap_score = 0.0
    return aligner


def _place_chain(chain: str, onto: str, most: int) -> str | None:
    """Return the target with the residues of the chain; None if more than substitutions differ."""
    if len(chain) == len(onto) and substitutions(chain, onto) <= most:
        return chain
    alignment: Alignment = _aligner().align(onto, chain)[0]
    placed, before = list(onto), None
    covered = 0
    for (start, end), (own_start, own_end) in zip(*alignment.aligned, strict=True):
        if before is not None and (own_start != before[1] or set(onto[before[0] : start]) - {UNKNOWN}):
            return None
        residues = zip(onto[start:end], chain[own_start:own_end], strict=True)
        placed[start:end] = [theirs if UNKNOWN in (theirs, mine) else mine for theirs, mine in residues]
        before, covered = (end, own_end), covered + end - start
    # Chance aligns a few residues of any two chains.
    return "".join(placed) if covered >= 0.7 * max(len(chain), len(onto)) else None
