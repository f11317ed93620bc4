"""What looks odd about a complex, in words for its row of the predictions."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

from ppi.complexes import UNKNOWN, Complex, looks_like_nucleotides

#: Chains this short say little by their composition.
_LEAST_LENGTH = 20
#: Bits of Shannon entropy of the residues. 99.9 % of the chains of 20 residues and more in the shipped data
#: set have more; twenty residues in equal parts have 4.3, a chain of one kind 0.
_LOW_ENTROPY = 2.6
#: A run of one residue that is longer than a purification tag.
_LONG_RUN = 12
#: Part of the residues that may be unknown.
_MOST_UNKNOWN = 0.2


def oddities_of(item: Complex) -> list[str]:
    """Return what is odd about the chains of a complex, and what was changed in them."""
    sides = oddities_of_side(item.ligand, "ligand") + oddities_of_side(item.receptor, "receptor")
    return [*item.notes, *sides]


def oddities_of_side(chains: tuple[str, ...], name: str) -> list[str]:
    """Return what is odd about the chains of one side, which is called by its name."""
    found = []
    for number, chain in enumerate(chains, start=1):
        where = f"{name} chain {number}" if len(chains) > 1 else name
        found += [f"{where} {what}" for what in _oddities_of_chain(chain)]
    return found


def _oddities_of_chain(chain: str) -> list[str]:
    counts = Counter(chain)
    unknown = counts[UNKNOWN] / len(chain)
    if unknown == 1:
        return [f"is nothing but {UNKNOWN}"]
    if len(chain) == 1:
        return ["has one residue"]
    found = []
    if unknown > _MOST_UNKNOWN:
        found.append(f"is {UNKNOWN} in {unknown:.0%} of its residues")
    if looks_like_nucleotides(chain):
        return ["has only the letters A, C, G and T, as a nucleotide sequence has"]
    if len(chain) >= _LEAST_LENGTH:
        residue, run = _longest_run(chain)
        if run > _LONG_RUN:
            found.append(f"has {run} {residue} in a row")
        if _entropy(counts, len(chain)) < _LOW_ENTROPY:
            found.append("has few kinds of residues, unlike natural proteins")
    return found


def _entropy(counts: Counter[str], length: int) -> float:
    return -sum(count / length * math.log2(count / length) for count in counts.values())


def _longest_run(chain: str) -> tuple[str, int]:
    best, run = (chain[0], 1), 1
    for before, residue in pairwise(chain):
        run = run + 1 if residue == before else 1
        if run > best[1]:
            best = residue, run
    return best
