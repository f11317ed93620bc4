"""Novelty of all pairs of a target at once: which training complex each resembles most.

The numbers are those that `ppi.prediction.novelty.NoveltyIndex.nearest` gives pair by pair, from what the
index finds for each side. Most sides resemble few training sides, so only what is not 0 is kept and compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ppi.prediction.novelty import EQUALLY_NEAR, Identities, NoveltyIndex

#: Candidates that are compared with a target at once.
_AT_ONCE = 1024


class Nearest(NamedTuple):
    """The nearest training complex of each of ``N`` pairs: its identity, and its number, -1 for none."""

    identity: np.ndarray
    number: np.ndarray


class SideHits(NamedTuple):
    """What of a training set each of ``S`` sides resembles, one side after another.

    Attributes
    ----------
    starts
        ``(S + 1,)`` where each side begins.
    number, aligned, over_longer
        ``(H,)`` the training sides, and the two identities to them; see `Identities`.
    best
        ``(S,)`` the highest identity of each side to any.
    """

    starts: np.ndarray
    number: np.ndarray
    aligned: np.ndarray
    over_longer: np.ndarray
    best: np.ndarray

    @classmethod
    def collect(cls, found: Sequence[SideHits]) -> SideHits:
        """Put hits one after another."""
        lengths = np.concatenate([np.diff(hits.starts) for hits in found])
        starts = np.cumsum(np.concatenate([[0], lengths]))
        return cls(starts, *(np.concatenate(arrays) for arrays in list(zip(*found, strict=True))[1:]))

    @classmethod
    def of(cls, identities: Identities) -> SideHits:
        """Keep what is not 0 of one side."""
        number = np.flatnonzero(identities.aligned)
        kept = identities.aligned[number], identities.over_longer[number]
        best = np.array([identities.aligned.max()])
        return cls(np.array([0, len(number)]), number.astype(np.int32), *kept, best)


class Familiarity:
    """Finds the nearest training complexes of pairs.

    Parameters
    ----------
    index
        Index of the training complexes.
    hits
        Similar training chains of all sides of the screen.
    """

    def __init__(self, index: NoveltyIndex, hits: SideHits) -> None:
        self.hits = hits
        self._complexes, self._sides = (
            len(index.complexes),
            1 + int(max(index.ligands.max(), index.receptors.max())),
        )
        # Each training complex in both role orders: the side that the target resembles, and the other one.
        own = np.concatenate([index.receptors, index.ligands])
        order = np.argsort(own, kind="stable")
        self._other = np.concatenate([index.ligands, index.receptors])[order]
        self._number = np.tile(np.arange(self._complexes), 2)[order]
        self._starts = np.searchsorted(own[order], np.arange(self._sides + 1))

    def nearest(self, target: int, candidates: np.ndarray) -> Nearest:
        """Return the nearest training complexes of the pairs of one side with ``(N,)`` others."""
        partners = self._partners(target)
        parts = [
            self._nearest(partners, candidates[start : start + _AT_ONCE])
            for start in range(0, len(candidates), _AT_ONCE)
        ]
        return Nearest(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _partners(self, target: int) -> _Partners:
        """Return the training complexes of which one side resembles the target, by their other side."""
        own = slice(*self.hits.starts[target : target + 2])
        number = self.hits.number[own]
        entries, hit = _ranges(self._starts[number], self._starts[number + 1])
        order = np.argsort(self._other[entries], kind="stable")
        entries, hit = entries[order], hit[order]
        starts = np.searchsorted(self._other[entries], np.arange(self._sides + 1))
        return _Partners(
            starts, self._number[entries], self.hits.aligned[own][hit], self.hits.over_longer[own][hit]
        )

    def _nearest(self, partners: _Partners, candidates: np.ndarray) -> Nearest:
        hits, count = self.hits, len(candidates)
        entries, row = _ranges(hits.starts[candidates], hits.starts[candidates + 1])
        side = hits.number[entries]
        common, entry = _ranges(partners.starts[side], partners.starts[side + 1])
        entries, row = entries[entry], row[entry]
        lower = np.minimum(hits.aligned[entries], partners.aligned[common])
        identity = np.zeros(count)
        np.maximum.at(identity, row, lower)
        # Of equally near complexes the one that is nearest over whole chains, and of these the first.
        near = lower >= identity[row] - EQUALLY_NEAR
        row, entries, common = row[near], entries[near], common[near]
        over_longer = hits.over_longer[entries] + partners.over_longer[common]
        highest = np.full(count, -1.0)
        np.maximum.at(highest, row, over_longer)
        first = over_longer == highest[row]
        number = np.full(count, self._complexes)
        np.minimum.at(number, row[first], partners.number[common[first]])
        number[number == self._complexes] = -1
        return Nearest(identity, number)


class _Partners(NamedTuple):
    """Training complexes in one role order: where those with each other side begin, and the target's part."""

    starts: np.ndarray
    number: np.ndarray
    aligned: np.ndarray
    over_longer: np.ndarray


def _ranges(starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of ranges one after another, and which range each is of."""
    lengths = ends - starts
    owner = np.repeat(np.arange(len(lengths)), lengths)
    before = np.cumsum(lengths) - lengths
    return np.arange(len(owner)) + (starts - before)[owner], owner
