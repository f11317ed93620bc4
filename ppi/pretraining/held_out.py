"""Which sequences of a corpus are held out for validation: whole clusters of similar ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppi.errors import InputError

MIN_IDENTITY = 0.5
COVERAGE = 0.8


@dataclass(frozen=True)
class HeldOut:
    """What is held out of a corpus, and how it was found.

    Attributes
    ----------
    rows
        Sorted numbers of the sequences.
    clusters
        Of the whole corpus.
    mmseqs
        Version of MMseqs2.
    """

    rows: list[int]
    clusters: int
    mmseqs: str


def hold_out(sequences: Sequence[bytes], fraction: float, seed: int) -> HeldOut:
    """Choose whole clusters of 50 % identity at random.

    Parameters
    ----------
    sequences
        Residues, ASCII.
    fraction
        Part of all residues to hold out, reached and at most doubled.
    seed
        Of the choice.

    Raises
    ------
    InputError
        If no cluster is small enough, or what clusters them is not installed.
    MMseqsError
        If MMseqs2 is absent or fails.
    """
    try:
        from data_curation.clustering import mmseqs_version, near_duplicates
    except ImportError as error:
        raise InputError(
            f"clustering a corpus needs a package that is not here ({error}); prepare it where all of ppi "
            "is installed, and bring its folder (--prepared) or its manifest.json (--held-out)"
        ) from error
    found = near_duplicates(
        {str(number): sequence.decode() for number, sequence in enumerate(sequences)},
        min_identity=MIN_IDENTITY,
        coverage=COVERAGE,
    )
    representatives, cluster = np.unique(
        np.fromiter(map(int, found.values()), dtype=np.int64, count=len(found)), return_inverse=True
    )
    chosen = choose_clusters(cluster, np.array([len(one) for one in sequences]), fraction, seed)
    if not chosen.any():
        raise InputError(
            f"no validation sequences: {len(sequences)} sequences form {len(representatives)} cluster(s) of "
            f"50 % identity, none of which has less than {2 * fraction:.2%} of the residues; more distinct "
            "sequences, or a larger --validation-fraction, were expected"
        )
    return HeldOut(np.flatnonzero(chosen[cluster]).tolist(), len(representatives), mmseqs_version())


def choose_clusters(cluster: np.ndarray, lengths: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Return ``(C,)`` bool, which clusters are held out.

    Parameters
    ----------
    cluster
        ``(S,)`` cluster of each sequence, 0 to C - 1.
    lengths
        ``(S,)`` residues of each.
    fraction, seed
        See `hold_out`.
    """
    sizes = np.bincount(cluster, weights=lengths)
    wanted, held = fraction * lengths.sum(), 0.0
    chosen = np.zeros(len(sizes), dtype=bool)
    for number in np.random.default_rng(seed).permutation(len(sizes)):
        if held >= wanted:
            break
        # A cluster that would overshoot makes room for a smaller one.
        if held + sizes[number] <= 2 * wanted and sizes[number] < lengths.sum():
            chosen[number] = True
            held += sizes[number]
    return chosen
