"""A Gaussian process over the substitutions of complexes (Rasmussen & Williams 2006)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Standard deviations in pKd units: of the level around the model's prediction, and of a measurement.
LEVEL_SD, MEASUREMENT_SD = 2.0, 0.3
#: Part of what a position adds that does not depend on the new residue.
SHARED_PART = 0.5
#: In units of what a position adds: what is common to all changed positions, and what belongs to one
#: combination of changes alone.
COMMON_PART, OWN_PART = 0.7, 0.7


@dataclass(frozen=True)
class Substitutions:
    """How complexes differ from a reference.

    Attributes
    ----------
    residues
        ``(N, L)`` ASCII codes.
    changed
        ``(N, L)`` which of them differ from those of the reference.
    relevance
        ``(L,)`` how much a change of each residue shares in what is common to all changes, 0 to 1.
    """

    residues: np.ndarray
    changed: np.ndarray
    relevance: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """``(N,)`` float64: how many residues differ."""
        counted: np.ndarray = self.changed.sum(axis=1).astype(np.float64)
        return counted

    def part(self, rows: slice) -> Substitutions:
        """Return some of the complexes."""
        return Substitutions(self.residues[rows], self.changed[rows], self.relevance)

    @property
    def common(self) -> np.ndarray:
        """``(N,)``: what the changes of each complex count for in what is common to all changes."""
        return diminishing(self.changed @ self.relevance)


class Process:
    """A Gaussian process that has seen measured complexes.

    Parameters
    ----------
    known
        Variants of ``N`` measured complexes.
    mean
        ``(N,)`` expected pKd of each.
    measured
        ``(N,)`` pKd of each.
    position_sd
        How much a changed position adds to the expected effects, as a standard deviation.

    Attributes
    ----------
    likelihood
        Logarithm of the probability density of the measurements, but for a constant.
    """

    def __init__(
        self, known: Substitutions, mean: np.ndarray, measured: np.ndarray, position_sd: float
    ) -> None:
        self._known, self._position_sd = known, position_sd
        among = self._covariance(shared(known, known))
        among[np.diag_indices(len(measured))] += MEASUREMENT_SD**2
        self._lower = np.linalg.cholesky(among)
        self._residual = np.linalg.solve(self._lower, measured - mean)
        self.likelihood = float(-0.5 * self._residual @ self._residual - np.log(np.diag(self._lower)).sum())

    def predict(self, queries: Substitutions, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(Q,)`` means and ``(Q,)`` variances of the pKd of complexes, without measurement error.

        Parameters
        ----------
        queries
            Variants of the ``Q`` complexes to predict.
        mean
            ``(Q,)`` expected pKd of each.
        """
        towards = self._towards(queries)
        own = self._covariance(_shared_with_itself(queries))
        return mean + towards @ self._residual, own - (towards**2).sum(axis=1)

    def covariance_with(self, queries: Substitutions, other: Substitutions) -> np.ndarray:
        """Return the ``(Q,)`` covariances of the pKd of complexes with that of a single other one."""
        before = self._covariance(shared(queries, other))[:, 0]
        covariance: np.ndarray = before - self._towards(queries) @ self._towards(other)[0]
        return covariance

    def _towards(self, queries: Substitutions) -> np.ndarray:
        to_known = self._covariance(shared(queries, self._known))
        solved: np.ndarray = np.linalg.solve(self._lower, to_known.T).T
        return solved

    def _covariance(self, shared_part: np.ndarray) -> np.ndarray:
        covariance: np.ndarray = LEVEL_SD**2 + self._position_sd**2 * shared_part
        return covariance


def shared(first: Substitutions, second: Substitutions) -> np.ndarray:
    """Return ``(N, M)``: how alike complexes deviate from what is expected.

    What expected effects miss is shared by two mutants that change the same position, and more so by two that
    change it alike.
    """
    columns = np.flatnonzero(first.changed.any(axis=0) & second.changed.any(axis=0))
    changed, others = first.changed[:, columns], second.changed[:, columns]
    residues, theirs = first.residues[:, columns], second.residues[:, columns]
    same_position = changed.astype(np.float64) @ others.T.astype(np.float64)
    same_residue = np.zeros_like(same_position)
    for residue in np.unique(theirs[others]):
        having = (changed & (residues == residue)).astype(np.float64)
        same_residue += having @ (others & (theirs == residue)).T.astype(np.float64)
    counts, their_counts = first.counts[:, None], second.counts
    found: np.ndarray = (
        SHARED_PART * same_position
        + (1 - SHARED_PART) * same_residue
        + COMMON_PART**2 * np.outer(first.common, second.common)
        + OWN_PART**2 * ((counts == their_counts) & (same_residue == their_counts))
    )
    return found


def _shared_with_itself(items: Substitutions) -> np.ndarray:
    """Return ``(N,)``: the diagonal of `shared`."""
    counts = items.counts
    found: np.ndarray = counts + COMMON_PART**2 * items.common**2 + OWN_PART**2
    return found


def diminishing(counts: np.ndarray) -> np.ndarray:
    """Return what so many changes count for: 1 for one, 2 for three, 3 for seven."""
    return np.log2(1 + counts)
