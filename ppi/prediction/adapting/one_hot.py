"""The usual baseline: ridge regression on which residue stands at each position."""

from __future__ import annotations

import numpy as np

from ppi.prediction.adapting.variants import Variants

PENALTIES = tuple(np.logspace(-2, 2, 9))


def one_hot(items: Variants) -> np.ndarray:
    """Return ``(N, C)``: a column for each residue of each changed position, the wild type's among them."""
    positions, number = np.unique(items.singles.position, return_inverse=True)
    mutants = items.members.toarray()
    changed = np.zeros((len(items), len(positions)))
    np.add.at(changed.T, number, mutants.T)
    return np.concatenate([mutants, 1 - changed], axis=1)


def left_out_ridge(items: Variants, truth: np.ndarray) -> np.ndarray:
    """Return ``(N,)`` predictions of each variant from the others, with the penalty that is best then."""
    features = one_hot(items)
    features = features - features.mean(axis=0)
    values, vectors = np.linalg.eigh(features @ features.T)
    values = np.maximum(values, 0)
    count, centred = len(truth), truth - truth.mean()
    found, least = np.full(count, truth.mean()), np.inf
    for penalty in PENALTIES:
        hat = (vectors * (values / (values + penalty))) @ vectors.T
        # The constant is fitted, too.
        leverage = np.minimum(np.diag(hat) + 1 / count, 1 - 1e-9)
        error = (centred - hat @ centred) / (1 - leverage)
        if (error**2).mean() < least:
            found, least = truth - error, float((error**2).mean())
    return found
