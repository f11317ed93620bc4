"""Hold out clusters of similar sequences of a corpus for validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ppi.errors import InputError

MIN_IDENTITY = 0.5
COVERAGE = 0.8


@dataclass(frozen=True)
class HeldOut:
    """The held-out sequences of a corpus, and the clustering that chose them.

    Attributes
    ----------
    rows
        Sorted indices of the sequences.
    clusters
        Number of clusters of the corpus.
    mmseqs
        Version of MMseqs2.
    """

    rows: list[int]
    clusters: int
    mmseqs: str


@dataclass(frozen=True)
class Earlier:
    """Training and validation sequences of an earlier model, so that a new one can be compared with it.

    Attributes
    ----------
    trained, held_out
        Training and validation sequences of the earlier model.
    """

    trained: frozenset[bytes] = field(default=frozenset())
    held_out: frozenset[bytes] = field(default=frozenset())


def hold_out(
    sequences: Sequence[bytes],
    fraction: float,
    seed: int,
    earlier: Earlier = Earlier(),
) -> HeldOut:
    """Choose clusters of 50 % identity at random.

    The validation sequences of an earlier model are held out again, together with every sequence that shares
    a cluster with one of them and was not used for training earlier. The random choice is among clusters that
    are new to that model.

    Parameters
    ----------
    sequences
        Distinct residues, ASCII.
    fraction
        Fraction of the residues in new clusters to hold out; the result is between this and twice this.
    seed
        Seed of the random choice.
    earlier
        Sequences of an earlier model.

    Raises
    ------
    InputError
        If no cluster is small enough, or a package for the clustering is not installed.
    MMseqsError
        If MMseqs2 is absent or fails.
    """
    try:
        from data_curation.splits.clustering import mmseqs_version, near_duplicates
    except ImportError as error:
        raise InputError(
            f"clustering a corpus needs a package that is not installed ({error}); prepare the corpus where "
            "all of ppi is installed, and copy its folder (--prepared) or its manifest.json (--held-out)"
        ) from error
    found = near_duplicates(
        {str(number): sequence.decode() for number, sequence in enumerate(sequences)},
        min_identity=MIN_IDENTITY,
        coverage=COVERAGE,
    )
    representatives, cluster = np.unique(
        np.fromiter(map(int, found.values()), dtype=np.int64, count=len(found)), return_inverse=True
    )
    lengths = np.array([len(one) for one in sequences])
    trained, before = (
        np.array([one in known for one in sequences]) for known in (earlier.trained, earlier.held_out)
    )
    with_trained, with_held_out = (np.bincount(cluster, weights=known) > 0 for known in (trained, before))
    new = ~(with_trained | with_held_out)
    chosen = np.zeros(len(representatives), dtype=bool)
    if new.any():
        rows = new[cluster]
        numbers = np.cumsum(new) - 1
        chosen[new] = choose_clusters(numbers[cluster[rows]], lengths[rows], fraction, seed)
    held = before | (~trained & (chosen | with_held_out)[cluster])
    if not held.any():
        raise InputError(
            f"no validation sequences: {len(sequences)} sequences form {len(representatives)} cluster(s) of "
            f"50 % identity, none of which has less than {2 * fraction:.2%} of the residues; give more "
            "distinct sequences, or a larger --validation-fraction"
        )
    return HeldOut(np.flatnonzero(held).tolist(), len(representatives), mmseqs_version())


def choose_clusters(cluster: np.ndarray, lengths: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Return ``(C,)`` bool: whether each cluster is held out.

    Parameters
    ----------
    cluster
        ``(S,)`` cluster of each sequence, 0 to C - 1.
    lengths
        ``(S,)`` number of residues of each sequence.
    fraction, seed
        See `hold_out`.
    """
    sizes = np.bincount(cluster, weights=lengths)
    wanted, held = fraction * lengths.sum(), 0.0
    chosen = np.zeros(len(sizes), dtype=bool)
    for number in np.random.default_rng(seed).permutation(len(sizes)):
        if held >= wanted:
            break
        # A cluster that would exceed the fraction is skipped for a smaller one.
        if held + sizes[number] <= 2 * wanted and sizes[number] < lengths.sum():
            chosen[number] = True
            held += sizes[number]
    return chosen
