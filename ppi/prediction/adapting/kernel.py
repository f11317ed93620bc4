"""How alike variants of one complex are expected to bind: a sum of terms, each with a scale of its own.

What predicted effects miss is a sum over the mutations of a variant. Two mutations share a part of it if
they change the same position, more so if to the same or a similar residue, and a smaller part if their
sites are predicted to lie alike or the exchanges are alike.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ppi.complexes import AMINO_ACIDS
from ppi.effects.chemistry import residue_properties
from ppi.prediction.adapting.variants import Singles, Variants

#: Terms that are sums over mutations, then terms of a variant: an error of the predicted effects in
#: proportion to them, what comes with the number of mutations, and what belongs to one variant alone.
SUMMED = ("position", "residue", "chemistry", "site", "exchange", "both")
TERMS = (*SUMMED, "slope", "count", "own")
_SLOPE, _COUNT, _OWN = (TERMS.index(name) for name in ("slope", "count", "own"))
#: Distance at which residues, exchanges and sites are 0.61 alike, in units of the root mean square distance
#: of two of them.
_ALIKE_RESIDUES, _ALIKE_EXCHANGES, _ALIKE_SITES = 0.5, 0.8, 0.5


def grams(first: Variants, second: Variants) -> np.ndarray:
    """Return the ``(T, N, M)`` terms of the covariance between variants, each with scale 1."""
    pairs = np.ix_(np.arange(len(first.singles.keys)), np.arange(len(second.singles.keys)))
    summed = _single_terms(first.singles, second.singles, *pairs)
    among = [first.members @ (second.members @ term.T).T for term in summed]
    effects = np.outer(first.effect, second.effect)
    counts = np.outer(diminishing(first.counts), diminishing(second.counts))
    return np.stack([*among, effects, counts, same_variant(first, second).astype(np.float64)])


def towards(singles: Singles, known: Variants, weights: np.ndarray) -> np.ndarray:
    """Return the ``(M, N)`` covariances of what single mutations add with known variants.

    Parameters
    ----------
    singles
        ``M`` mutations.
    known
        ``N`` variants.
    weights
        ``(T,)`` squared scales of the terms.
    """
    found: np.ndarray = (known.members @ single_covariance(singles, known.singles, weights).T).T
    return found


def single_covariance(first: Singles, second: Singles, weights: np.ndarray) -> np.ndarray:
    """Return the ``(M, K)`` covariances between what single mutations add."""
    pairs = np.ix_(np.arange(len(first.keys)), np.arange(len(second.keys)))
    rows, columns = pairs
    return _weighted(first, second, rows, columns, weights)


def between(queries: Variants, known: Variants, of_singles: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the ``(N, M)`` covariance between variants, for what `towards` gave for all their mutations."""
    found: np.ndarray = queries.members @ of_singles
    found += weights[_SLOPE] * np.outer(queries.effect, known.effect)
    found += weights[_COUNT] * np.outer(diminishing(queries.counts), diminishing(known.counts))
    found += weights[_OWN] * same_variant(queries, known)
    return found


def diagonal(items: Variants, weights: np.ndarray) -> np.ndarray:
    """Return the ``(N,)`` variances of variants."""
    found = weights[_SLOPE] * items.effect**2 + weights[_COUNT] * diminishing(items.counts) ** 2
    found = found + weights[_OWN]
    counts = np.diff(items.members.indptr)
    for count in np.unique(counts[counts > 0]):
        rows = np.flatnonzero(counts == count)
        columns = items.members.indices[items.members.indptr[rows][:, None] + np.arange(count)]
        for one in range(count):
            for other in range(count):
                first, second = columns[:, one], columns[:, other]
                found[rows] += _weighted(items.singles, items.singles, first, second, weights)
    return found


def diminishing(counts: np.ndarray) -> np.ndarray:
    """Return what so many changes count for: 1 for one, 2 for three, 3 for seven."""
    return np.log2(1 + counts)


def same_variant(first: Variants, second: Variants) -> np.ndarray:
    """Return ``(N, M)`` whether variants have the same mutations."""
    numbers: dict[bytes, int] = {}
    mine, theirs = (
        np.array([numbers.setdefault(name, len(numbers)) for name in each.names()], dtype=int)
        for each in (first, second)
    )
    same: np.ndarray = mine[:, None] == theirs
    return same


@cache
def residue_similarity(distance: float) -> np.ndarray:
    """Return the ``(20, 20)`` similarity of amino acids by their properties, 1 for the same.

    Parameters
    ----------
    distance
        At which it is 0.61, in units of the root mean square distance of two amino acids.
    """
    properties = np.stack([residue_properties()[residue] for residue in AMINO_ACIDS]).astype(np.float64)
    scaled = (properties - properties.mean(axis=0)) / properties.std(axis=0)
    squared = ((scaled[:, None] - scaled) ** 2).mean(axis=-1) / 2
    found: np.ndarray = np.exp(-squared / (2 * distance**2))
    return found


def _weighted(
    first: Singles, second: Singles, rows: np.ndarray, columns: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    found: np.ndarray = np.zeros(np.broadcast_shapes(rows.shape, columns.shape))
    for weight, term in zip(weights[: len(SUMMED)], _single_terms(first, second, rows, columns), strict=True):
        found += weight * term
    return found


def _single_terms(first: Singles, second: Singles, rows: np.ndarray, columns: np.ndarray) -> list[np.ndarray]:
    """Return the terms, by `SUMMED`, between mutations of two lists given by index, which are broadcast."""
    position = (first.position[rows] == second.position[columns]).astype(np.float64)
    mutants = first.mutant[rows], second.mutant[columns]
    wilds = first.wild[rows], second.wild[columns]
    near = residue_similarity(_ALIKE_EXCHANGES)
    exchange = near[mutants] * near[wilds]
    site = _alike_sites(first.site, second.site, rows, columns)
    residue = position * (mutants[0] == mutants[1])
    chemistry = position * residue_similarity(_ALIKE_RESIDUES)[mutants]
    return [position, residue, chemistry, site, exchange, site * exchange]


def _alike_sites(first: np.ndarray, second: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    # Column by column, so that no array with one entry a pair and number is made.
    squared = np.zeros(np.broadcast_shapes(rows.shape, columns.shape))
    for one, other in zip(first.T, second.T, strict=True):
        squared += (one[rows] - other[columns]) ** 2
    found: np.ndarray = np.exp(-squared / max(1, first.shape[1]) / 2 / (2 * _ALIKE_SITES**2))
    return found
