"""Assign groups of complexes to the parts of a split, so that the parts resemble one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from data_curation.errors import AssignmentError

#: A group with more than this share of a part would dominate it.
LARGEST_SHARE = 0.1


def balance_features(sources: Sequence[str], pkd: Sequence[float], bins: int = 5) -> np.ndarray:
    """Return the features of complexes that the parts of a split should share evenly.

    Parameters
    ----------
    sources
        Name of the source data set of each complex.
    pkd
        Measured pKd of each; NaN if it is not measured.
    bins
        Number of quantile bins of pKd.

    Returns
    -------
    ``(N, 1 + sources + bins)`` array
        Indicators of the complex itself, its source and its pKd bin.
    """
    values = np.asarray(pkd, dtype=np.float64)
    known = values[np.isfinite(values)]
    edges = np.quantile(known, np.linspace(0, 1, bins + 1)[1:-1]) if len(known) else np.empty(0)
    in_bin = np.zeros((len(values), bins))
    rows = np.flatnonzero(np.isfinite(values))
    in_bin[rows, np.searchsorted(edges, values[rows], side="right")] = 1
    names = sorted(set(sources))
    in_source = np.array([[source == name for name in names] for source in sources], dtype=np.float64)
    return np.hstack([np.ones((len(values), 1)), in_source, in_bin])


def check_seed(seed: int) -> None:
    """Check that a seed is not negative.

    Raises
    ------
    AssignmentError
        If the seed is below 0.
    """
    if seed < 0:
        raise AssignmentError(f"the seed is {seed}; give 0 or more")


def deal(
    groups: Sequence[Sequence[str]], features: Mapping[str, np.ndarray], sizes: Sequence[float], seed: int
) -> list[int]:
    """Assign groups to parts so that each part gets its share of every feature.

    From the largest group on, each goes to the part where it brings the feature sums closest to their
    targets.

    Parameters
    ----------
    groups
        Complex ids of each group.
    features
        Features as an ``(F,)`` array by complex id, see `balance_features`.
    sizes
        Target number of complexes in each part; only the proportions matter.
    seed
        Seed for the order of groups of equal size.

    Returns
    -------
    list of int
        The part of each group.
    """
    vectors = np.array([sum(features[i] for i in group) for group in groups])
    if not len(vectors):
        return []
    total = vectors.sum(axis=0)
    targets = np.outer(np.asarray(sizes) / np.sum(sizes), total)
    scale = np.maximum(total, 1)
    shuffled = np.random.default_rng(seed).permutation(len(groups))
    part = [0] * len(groups)
    sums = np.zeros_like(targets)
    for index in sorted(shuffled, key=lambda index: -len(groups[index])):
        lacking = (targets - sums) / scale
        gained = vectors[index] / scale
        # |lacking - gained|^2 - |lacking|^2, is the change of the squared distance to the targets, by part.
        change = (gained * (gained - 2 * lacking)).sum(axis=1)
        part[index] = int(np.argmin(change))
        sums[part[index]] += vectors[index]
    return part
