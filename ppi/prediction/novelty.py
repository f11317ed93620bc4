"""How new a complex is to a model: the training complexes that resemble it, side by side.

Every chain is aligned (Smith-Waterman by SIMD instructions, BLOSUM62, gaps 11 and 1) with the training chains
that share most words of three residues with it: a few milliseconds a chain.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Literal, NamedTuple

import numpy as np
import pyopal

from data_curation.processors import available_processors
from ppi.complexes import Complex
from ppi.models.calibration import FAMILIAR
from ppi.prediction.kmers import WordIndex

Novelty = Literal["familiar", "half-familiar", "new"]

#: Two chains resemble each other from this identity on, over this part of the shorter one.
MIN_IDENTITY, MIN_COVERAGE = FAMILIAR, 0.8
#: Largest E-value of an alignment of two chains.
_MAX_EVALUE = 1e-3
#: A chain with fewer residues is a peptide: no alignment with it is significant. It must be this identical,
#: and half of the longer chain must be aligned, because peptides occur in long chains by chance.
_PEPTIDE, _PEPTIDE_IDENTITY, _PEPTIDE_COVERAGE = 25, 0.8, 0.5
_MATRIX, _GAP_OPEN, _GAP_EXTEND = "BLOSUM62", 11, 1
#: Karlin and Altschul's parameters of these scores (Altschul et al. 1997): E = K m n exp(-lambda score).
_LAMBDA, _K = 0.267, 0.041
#: Chains that pass the sieve. For 200 test complexes of the shipped data set, the novelty is the same as if
#: all passed.
_CANDIDATES = 1000
#: Pair identities that differ by no more are equal: sums round.
EQUALLY_NEAR = 1e-6
#: Most chains whose hits are kept, and most sides whose identities are, in one call.
_KEPT_CHAINS, _KEPT_SIDES = 16_384, 256


@dataclass(frozen=True)
class NearestComplex:
    """What a training set knows of one complex.

    Attributes
    ----------
    ligand_identity, receptor_identity
        Highest identity (0 to 1) of this side to any side of a training complex; 0 where none resembles it.
        The identity of two sides is the mean, over the residues of the first, of each chain's highest
        identity to a chain of the second.
    pair_identity
        The best, over training complexes and both role orders, of the lower of the two sides' identities.
    complex
        The training complex that has it; None where `pair_identity` is 0.
    """

    ligand_identity: float = 0.0
    receptor_identity: float = 0.0
    pair_identity: float = 0.0
    complex: Complex | None = None

    @property
    def id(self) -> str | None:
        """Name of the training complex."""
        return None if self.complex is None else self.complex.id

    @property
    def pkd(self) -> float | None:
        """What was measured for the training complex."""
        return None if self.complex is None else self.complex.pkd

    @property
    def novelty(self) -> Novelty:
        """Whether both sides, one side, or no side resembles one training complex."""
        if self.pair_identity >= MIN_IDENTITY:
            return "familiar"
        known = max(self.ligand_identity, self.receptor_identity) >= MIN_IDENTITY
        return "half-familiar" if known else "new"


class _Hits(NamedTuple):
    """Training chains that resemble a chain: numbers, identity where aligned, and over the longer chain."""

    numbers: np.ndarray
    aligned: np.ndarray
    over_longer: np.ndarray


class Identities(NamedTuple):
    """Identities of a side to each distinct training side: where aligned, and over the longer chain.

    Both are 0 where it does not resemble it.
    """

    aligned: np.ndarray
    over_longer: np.ndarray


class NoveltyIndex:
    """The sides of training complexes, ready to be searched; safe to use from several threads.

    Parameters
    ----------
    complexes
        What a model was trained on; at least one.

    Attributes
    ----------
    complexes
        The same.
    ligands, receptors
        ``(K,)`` numbers of the distinct training sides that each complex is made of.
    """

    def __init__(self, complexes: Sequence[Complex]) -> None:
        self.complexes = tuple(complexes)
        self._chains = sorted({chain for item in complexes for chain in item.chains})
        self._number = {chain: index for index, chain in enumerate(self._chains)}
        self._lengths = np.array([len(chain) for chain in self._chains])
        self._database = pyopal.Database(self._chains)
        self._words = WordIndex(self._chains)
        sides = sorted({side for item in complexes for side in (item.ligand, item.receptor)})
        position = {side: index for index, side in enumerate(sides)}
        # The chains of each side, one after another, and where each side begins.
        self._side_chains = np.array([self._number[chain] for side in sides for chain in side])
        self._side_starts = np.cumsum([0, *map(len, sides)])[:-1]
        self.ligands = np.array([position[item.ligand] for item in complexes])
        self.receptors = np.array([position[item.receptor] for item in complexes])
        self._found: OrderedDict[str, _Hits] = OrderedDict()
        self._lock = threading.Lock()

    def nearest(self, complexes: Iterable[Complex]) -> list[NearestComplex]:
        """Return what is known of each complex; each distinct chain is searched once, on all cores."""
        complexes = list(complexes)
        hits = self._hits({chain for item in complexes for chain in item.chains})
        of_side = lru_cache(_KEPT_SIDES)(lambda side: self._of_side(side, hits))
        return [self._nearest(of_side(item.ligand), of_side(item.receptor)) for item in complexes]

    def of_sides(self, sides: Iterable[tuple[str, ...]]) -> Iterator[Identities]:
        """Yield the identities of each side; distinct chains are searched once, on all cores."""
        waiting = iter(sides)
        while some := list(islice(waiting, _KEPT_SIDES)):
            hits = self._hits({chain for side in some for chain in side})
            yield from (self._of_side(side, hits) for side in some)

    def _nearest(self, ligand: Identities, receptor: Identities) -> NearestComplex:
        lower, over_longer = [], []
        for first, second in ((self.ligands, self.receptors), (self.receptors, self.ligands)):
            lower.append(np.minimum(ligand.aligned[first], receptor.aligned[second]))
            over_longer.append(ligand.over_longer[first] + receptor.over_longer[second])
        pairs, totals = np.stack(lower), np.stack(over_longer)
        highest = float(pairs.max())
        # Of equally near complexes, the one that is nearest over whole chains.
        best = int(np.where(pairs >= highest - EQUALLY_NEAR, totals, -1.0).max(axis=0).argmax())
        return NearestComplex(
            ligand_identity=float(ligand.aligned.max()),
            receptor_identity=float(receptor.aligned.max()),
            pair_identity=highest,
            complex=self.complexes[best] if highest > 0 else None,
        )

    def _of_side(self, side: tuple[str, ...], hits: Mapping[str, _Hits]) -> Identities:
        totals = np.zeros((2, len(self._side_starts)))
        for chain in side:
            numbers, *identities = hits[chain]
            dense = np.zeros((2, len(self._chains)))
            dense[:, numbers] = identities
            totals += len(chain) * np.maximum.reduceat(dense[:, self._side_chains], self._side_starts, axis=1)
        return Identities(*(totals / sum(map(len, side))))

    def _hits(self, chains: set[str]) -> dict[str, _Hits]:
        """Return the hits of each chain, of those that were searched before from memory."""
        with self._lock:
            known = {chain: self._found[chain] for chain in chains & self._found.keys()}
            for chain in known:
                self._found.move_to_end(chain)
        missing = sorted(chains - known.keys())
        with ThreadPoolExecutor(available_processors()) as pool:  # the alignments run without Python's lock
            new = dict(zip(missing, pool.map(self._search, missing), strict=True))
        with self._lock:
            self._found |= new
            while len(self._found) > _KEPT_CHAINS:
                self._found.popitem(last=False)
        return known | new

    def _search(self, chain: str) -> _Hits:
        found = {self._number[chain]: (1.0, 1.0)} if chain in self._number else {}
        candidates = self._candidates(chain)
        targets = self._database.extract(candidates.tolist())
        for hit in alignments(chain, targets, "full"):
            number, same = int(candidates[hit.target_index]), hit.alignment.count("M")
            target, identity = self._chains[number], hit.identity()
            if number not in found and _resemble(chain, target, hit, identity):
                found[number] = identity, same / max(len(chain), len(target))
        identities = np.array(list(found.values())).reshape(-1, 2)
        return _Hits(np.array(list(found), dtype=np.int64), identities[:, 0], identities[:, 1])

    def _candidates(self, chain: str) -> np.ndarray:
        """Return the numbers of the training chains that may resemble a chain, by words, length and score."""
        shorter, longer = np.minimum(self._lengths, len(chain)), np.maximum(self._lengths, len(chain))
        peptides = (shorter < _PEPTIDE) & (shorter >= _PEPTIDE_COVERAGE * longer)
        near = self._words.nearest(chain, _CANDIDATES)
        near = near[shorter[near] >= _PEPTIDE]
        scores = np.zeros(len(near))
        for hit in alignments(chain, self._database.extract(near.tolist()), "score"):
            scores[hit.target_index] = hit.score
        space = _K * len(chain) * float(self._lengths.sum())
        significant = scores >= math.log(space / _MAX_EVALUE) / _LAMBDA
        return np.concatenate([near[significant], np.flatnonzero(peptides)])


def pair_identities(training: Sequence[Complex], complexes: Iterable[Complex]) -> np.ndarray:
    """Return the ``(N,)`` `NearestComplex.pair_identity` of complexes, all NaN without training complexes."""
    complexes = list(complexes)
    if not training:
        return np.full(len(complexes), np.nan)
    return np.array([found.pair_identity for found in NoveltyIndex(training).nearest(complexes)])


def alignments(query: str, targets: pyopal.Database, mode: Literal["score", "full"]) -> Iterable[Any]:
    """Align a chain locally with each target; in `full` mode a hit has its steps, ``M, X, I, D``."""
    return pyopal.align(
        query,
        targets,
        _MATRIX,
        gap_open=_GAP_OPEN,
        gap_extend=_GAP_EXTEND,
        mode=mode,
        algorithm="sw",
        threads=1,
    )


def _resemble(query: str, target: str, hit: Any, identity: float) -> bool:
    """Say whether an alignment is long and identical enough."""
    parts = [
        (len(query), hit.query_end - hit.query_start + 1),
        (len(target), hit.target_end - hit.target_start + 1),
    ]
    (shorter, of_shorter), (longer, of_longer) = sorted(parts)
    if of_shorter < MIN_COVERAGE * shorter:
        return False
    if shorter < _PEPTIDE:
        return identity >= _PEPTIDE_IDENTITY and of_longer >= _PEPTIDE_COVERAGE * longer
    return identity >= MIN_IDENTITY
