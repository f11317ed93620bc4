"""Novelty of complexes and the nearest-neighbour baseline, from similar training chains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ppi.complexes import Complex

# Similarities closer than this are ties: MMseqs2 gives identities to three decimals.
_TIE = 1e-6


class _Side(NamedTuple):
    """Chains of one side of ``N`` complexes: numbers of all chains, and where each complex begins."""

    chains: np.ndarray
    starts: np.ndarray


def highest_identity(complexes: Sequence[Complex], hits: pd.DataFrame) -> np.ndarray:
    """Return the ``(N,)`` highest identity of any chain of each complex in `hits`, 0 if there is none."""
    best = hits.groupby("query").identity.max().to_dict()
    return np.array([max(best.get(chain, 0.0) for chain in item.chains) for item in complexes])


def nearest_neighbour(
    train: Sequence[Complex],
    labels: np.ndarray,
    weight: np.ndarray,
    test: Sequence[Complex],
    hits: pd.DataFrame,
) -> np.ndarray:
    """Predict the pKd of the training complex with the most similar chains.

    The similarity of two complexes is the mean over both sides of the highest identity of any two of their
    chains (0 where none are similar), in the orientation that gives more. The labels of equally similar
    complexes are averaged; if no chain is similar, these are all labels.

    Parameters
    ----------
    train
        ``N`` complexes.
    labels, weight
        ``(N,)`` pKd, and weight of each in an average.
    test
        ``M`` complexes.
    hits
        Result of `data_curation.audit.leakage.similar_chains`, for the chains of both.

    Returns
    -------
    ndarray
        ``(M,)`` pKd.
    """
    number = {chain: index for index, chain in enumerate(sorted({c for item in train for c in item.chains}))}
    hits = hits.assign(number=hits.target.map(number)).dropna(subset="number").astype({"number": int})
    similar = {
        str(query): (group.number.to_numpy(), group.identity.to_numpy())
        for query, group in hits.groupby("query")
    }
    ligand, receptor = _side([t.ligand for t in train], number), _side([t.receptor for t in train], number)
    predicted = np.empty(len(test))
    for row, item in enumerate(test):
        near_ligand, near_receptor = (
            _best(side, similar, len(number)) for side in (item.ligand, item.receptor)
        )
        straight = _of_side(ligand, near_ligand) + _of_side(receptor, near_receptor)
        crossed = _of_side(receptor, near_ligand) + _of_side(ligand, near_receptor)
        similarity = np.maximum(straight, crossed)
        nearest = similarity >= similarity.max() - _TIE
        predicted[row] = np.average(labels[nearest], weights=weight[nearest])
    return predicted


def _side(sides: Sequence[tuple[str, ...]], number: dict[str, int]) -> _Side:
    chains = np.array([number[chain] for side in sides for chain in side])
    return _Side(chains, np.cumsum([0, *map(len, sides)])[:-1])


def _best(
    chains: Sequence[str], similar: dict[str, tuple[np.ndarray, np.ndarray]], training_chains: int
) -> np.ndarray:
    """Return the highest identity of each training chain to any of these chains."""
    best = np.zeros(training_chains)
    for chain in set(chains) & similar.keys():
        targets, identities = similar[chain]
        np.maximum.at(best, targets, identities)
    return best


def _of_side(side: _Side, best: np.ndarray) -> np.ndarray:
    """Return the highest identity that each complex has on this side."""
    return np.maximum.reduceat(best[side.chains], side.starts)
