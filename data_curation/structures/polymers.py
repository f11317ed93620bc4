"""Reconstruct the sequence of a broken chain from its observed fragments and the missing residues between
them.

The missing residues come from the deposited polymer sequence, to which the fragments are aligned; residue
numbers are not used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

#: An unknown residue.
UNKNOWN = "X"

#: Minimum fraction of the compared residues that must match for the polymer sequence to be used.
MIN_MATCHED = 0.9

# X never matches and never mismatches: it gets one code in fragments and another one in polymers.
_X_IN_FRAGMENT, _X_IN_POLYMER = 1, 0
_UNREACHABLE = np.iinfo(np.int64).min // 2


@dataclass(frozen=True)
class JoinedChain:
    """The sequence of a chain whose breaks have been filled.

    Attributes
    ----------
    sequence
        Residues, one-letter code; ``X`` where unknown.
    offsets
        0-based index in `sequence` at which each fragment starts.
    missing_recovered
        Residues in breaks that were filled from the polymer sequence.
    missing_unresolved
        ``X`` that were inserted into breaks.
    gaps
        Number of breaks with at least one missing residue.
    gaps_recovered
        Number of `gaps` that were filled from the polymer sequence.
    """

    sequence: str
    offsets: tuple[int, ...]
    missing_recovered: int
    missing_unresolved: int
    gaps: int
    gaps_recovered: int


def join_fragments(fragments: Sequence[str], missing: Sequence[int], polymer: str | None) -> JoinedChain:
    """Join the observed fragments of a chain, with the missing residues between them.

    If the fragments fit `polymer`, its residues fill the breaks (possibly with none) and replace an observed
    ``X``; any other observed residue is unchanged. If they do not fit, or there is no `polymer`, each break
    becomes a run of ``X``. The chain is not extended at its ends.

    Parameters
    ----------
    fragments
        Observed runs of residues in chain order, one-letter code; none is empty.
    missing
        Estimated number of residues in each break, at least 1; one number fewer than `fragments`.
    polymer
        Deposited sequence of the complete chain, or None.
    """
    starts = _place(fragments, polymer) if polymer else None
    if polymer is None or starts is None:
        return _join(fragments, [UNKNOWN * count for count in missing], recovered=False)
    ends = [start + len(fragment) for start, fragment in zip(starts, fragments, strict=True)]
    between = [polymer[end:start] for end, start in zip(ends[:-1], starts[1:], strict=True)]
    named = [
        _name_unknown(fragment, polymer[start:end])
        for fragment, start, end in zip(fragments, starts, ends, strict=True)
    ]
    return _join(named, between, recovered=True)


def _join(fragments: Sequence[str], between: Sequence[str], *, recovered: bool) -> JoinedChain:
    parts = [fragments[0]]
    for gap, fragment in zip(between, fragments[1:], strict=True):
        parts += [gap, fragment]
    offsets = [0, *accumulate(map(len, parts))][:-1:2]
    unresolved = sum(gap.count(UNKNOWN) for gap in between)
    gaps = sum(1 for gap in between if gap)
    return JoinedChain(
        "".join(parts),
        tuple(offsets),
        missing_recovered=sum(map(len, between)) - unresolved,
        missing_unresolved=unresolved,
        gaps=gaps,
        gaps_recovered=gaps if recovered else 0,
    )


def _name_unknown(observed: str, deposited: str) -> str:
    return "".join(d if o == UNKNOWN else o for o, d in zip(observed, deposited, strict=True))


def _place(fragments: Sequence[str], polymer: str) -> list[int] | None:
    """Return where each fragment starts in `polymer`, or None if they do not fit.

    Fragments are placed without gaps, in order and without overlap, with as many matches as possible and,
    among equals, over the shortest stretch of the polymer.
    """
    lengths = [len(fragment) for fragment in fragments]
    if sum(lengths) > len(polymer):
        return None
    coded = _codes(polymer, _X_IN_POLYMER)
    windows = [np.lib.stride_tricks.sliding_window_view(coded, length) for length in lengths]
    codes = [_codes(fragment, _X_IN_FRAGMENT) for fragment in fragments]
    matches = [(view == code).sum(axis=1) for view, code in zip(windows, codes, strict=True)]
    starts = _best_starts(matches, lengths, len(polymer))
    matched = sum(int(found[start]) for found, start in zip(matches, starts, strict=True))
    compared = sum(
        int(((view[start] != _X_IN_POLYMER) & (code != _X_IN_FRAGMENT)).sum())
        for view, code, start in zip(windows, codes, starts, strict=True)
    )
    return starts if compared and matched >= MIN_MATCHED * compared else None


def _best_starts(matches: Sequence[np.ndarray], lengths: Sequence[int], size: int) -> list[int]:
    # One match outweighs any stretch; the stretch is the last fragment's end minus the first one's start.
    gains = [found.astype(np.int64) * (size + 1) for found in matches]
    gains[0] += np.arange(len(gains[0]))
    gains[-1] -= np.arange(len(gains[-1])) + lengths[-1]
    # before[p]: the best score of the fragments so far, all of which end at p or earlier.
    before = np.zeros(size + 1, np.int64)
    scores = []
    for gain, length in zip(gains, lengths, strict=True):
        score = before[: len(gain)] + gain
        scores.append(score)
        before = np.full(size + 1, _UNREACHABLE)
        before[length:] = np.maximum.accumulate(score)
    limit, starts = size, []
    for score, length in zip(reversed(scores), reversed(lengths), strict=True):
        limit = int(score[: limit - length + 1].argmax())
        starts.append(limit)
    return starts[::-1]


def _codes(sequence: str, unknown: int) -> np.ndarray:
    codes = np.frombuffer(sequence.encode("ascii"), np.uint8).copy()
    codes[codes == ord(UNKNOWN)] = unknown
    return codes
