"""Start from what was measured: complexes that differ by a few substitutions from training complexes.

Around a measured complex the pKd of its mutants is a Gaussian process (Rasmussen & Williams 2006): an
unknown level that all share, the expected effects of the mutations, and what these effects miss. What they
miss is shared by two mutants that change the same position, and more so by two that change it alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ppi.complexes import Complex
from ppi.models.calibration import group_quantile, needed_groups
from ppi.prediction.neighbours import NeighbourIndex, Neighbours

#: Most measured complexes that one prediction starts from, the nearest first.
MOST_NEIGHBOURS = 200
#: Standard deviations in pKd units: of the level around the model's prediction, and of a measurement.
LEVEL_SD, MEASUREMENT_SD = 2.0, 0.3
#: How much a changed position adds to the expected effects, as a standard deviation: the value that explains
#: the neighbours best is taken.
POSITION_SDS = (0.5, 1.0, 2.0)
#: Part of what a position adds that does not depend on the new residue.
SHARED_PART = 0.5
#: In units of what a position adds: what is common to all changed positions, and what belongs to one
#: combination of changes alone.
COMMON_PART, OWN_PART = 0.7, 0.7
#: Change of pKd by one substitution, where no effects are predicted.
MEAN_EFFECT = -0.5
#: Complexes of a group that are left out, one by one, to calibrate the interval.
_SCORED = 10

#: Gives ``(N,)`` pKd of complexes minus that of the first argument, which differs by substitutions alone.
Effects = Callable[[Complex, Sequence[Complex]], np.ndarray]


@dataclass(frozen=True)
class Anchored:
    """A prediction that starts from measured complexes.

    Attributes
    ----------
    pkd, std
        Mean and standard deviation of what would be measured.
    neighbours
        How many measured complexes it starts from.
    """

    pkd: float
    std: float
    neighbours: int


class Anchors:
    """Measured complexes from which predictions start.

    Parameters
    ----------
    complexes
        Those with a pKd count. The order of chains within a side and of the two sides does not matter.
    effects
        Predicted effects of substitutions; by default each lowers pKd a little.
    """

    def __init__(self, complexes: Sequence[Complex], effects: Effects | None = None) -> None:
        measured = [item for item in complexes if item.pkd is not None]
        self._effects = effects
        self._pkd = np.array([item.pkd for item in measured], dtype=np.float64)
        self._index = NeighbourIndex(measured)

    def __len__(self) -> int:
        return len(self._pkd)

    def partner_lengths(self) -> dict[tuple[int, ...], set[tuple[int, ...]]]:
        """See `ppi.prediction.neighbours.NeighbourIndex.partner_lengths`."""
        return self._index.partner_lengths()

    def predict(
        self, item: Complex, prior: float, *, like: str | None = None, without: int | None = None
    ) -> Anchored | None:
        """Predict a complex from its measured neighbours; None if there are none.

        Parameters
        ----------
        item
            To predict.
        prior
            What the model predicts for it.
        like
            Name of a measured complex that it resembles. Where no measured complex has chains of the same
            lengths, it is laid onto this one; see `ppi.prediction.placement.place`.
        without
            Number of a training complex, among those with a pKd, that is left out.
        """
        near = self._index.find(item, most=MOST_NEIGHBOURS, like=like, without=without)
        if near is None:
            return None
        reference = near.medoid()
        changed = near.changed(reference)
        mean = prior + self._mean_effects(near, reference, changed)
        shared = _shared(near.residues, changed)
        measured = self._pkd[near.numbers]
        processes = (_Process.fit(shared, mean, measured, sd) for sd in POSITION_SDS)
        best = max(processes, key=lambda process: process.likelihood)
        return Anchored(best.pkd, best.std, len(near.numbers))

    def _mean_effects(self, near: Neighbours, reference: int, changed: np.ndarray) -> np.ndarray:
        """Return ``(N + 1,)``: expected pKd of neighbours and complex, minus that of the reference."""
        if self._effects is None:
            return MEAN_EFFECT * _diminishing(changed.sum(axis=1))
        items = near.complexes()
        return self._effects(items[reference], items)


@dataclass(frozen=True)
class _Process:
    """A Gaussian process after the neighbours have been seen: how likely they were, and what it predicts."""

    likelihood: float
    pkd: float
    std: float

    @classmethod
    def fit(cls, shared: np.ndarray, mean: np.ndarray, measured: np.ndarray, position_sd: float) -> _Process:
        """Condition on ``(N,)`` measured neighbours; the last of the ``N + 1`` complexes is predicted."""
        covariance = LEVEL_SD**2 + position_sd**2 * shared
        among, to_own = covariance[:-1, :-1].copy(), covariance[-1, :-1]
        among[np.diag_indices(len(measured))] += MEASUREMENT_SD**2
        lower = np.linalg.cholesky(among)
        residual, towards = np.linalg.solve(lower, np.stack([measured - mean[:-1], to_own], axis=1)).T
        likelihood = -0.5 * residual @ residual - np.log(np.diag(lower)).sum()
        variance = covariance[-1, -1] - towards @ towards + MEASUREMENT_SD**2
        return cls(float(likelihood), float(mean[-1] + towards @ residual), float(np.sqrt(variance)))


def _shared(residues: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """Return ``(N, N)``: how alike complexes deviate from what is expected.

    Parameters
    ----------
    residues, changed
        ``(N, L)`` residues, and which of them differ from those of the reference.
    """
    columns = np.flatnonzero(changed.any(axis=0))
    residues, changed = residues[:, columns], changed[:, columns]
    positions = changed.astype(np.float64)
    same_position = positions @ positions.T
    same_residue = np.zeros_like(same_position)
    for residue in np.unique(residues[changed]):
        having = (changed & (residues == residue)).astype(np.float64)
        same_residue += having @ having.T
    counts = positions.sum(axis=1)
    equal = (counts[:, None] == counts) & (same_residue == counts)
    common = _diminishing(counts)
    shared: np.ndarray = (
        SHARED_PART * same_position
        + (1 - SHARED_PART) * same_residue
        + COMMON_PART**2 * np.outer(common, common)
        + OWN_PART**2 * equal
    )
    return shared


def _diminishing(counts: np.ndarray) -> np.ndarray:
    """Return what so many changes count for: 1 for one, 2 for three, 3 for seven."""
    return np.log2(1 + counts)


def anchored_quantile(
    complexes: Sequence[Complex], groups: np.ndarray, level: float, effects: Effects | None = None
) -> float | None:
    """Return the quantile of errors in units of the predicted SD, each complex left out in turn.

    Parameters
    ----------
    complexes
        ``N`` measured ones.
    groups
        ``(N,)`` the group of each; see `ppi.models.calibration`.
    level
        Of the interval.
    effects
        See `Anchors`.

    Returns
    -------
    float or None
        None if too few groups have complexes with neighbours.
    """
    anchors, mean = Anchors(complexes, effects), float(np.mean([item.pkd for item in complexes]))
    scores, scored = [], []
    for group in np.unique(groups):
        for number in np.random.default_rng(0).permutation(np.flatnonzero(groups == group))[:_SCORED]:
            found = anchors.predict(complexes[number], mean, without=int(number))
            if found is not None:
                scores.append(abs(found.pkd - float(complexes[number].pkd or 0)) / found.std)
                scored.append(group)
    _, group_number, sizes = np.unique(scored, return_inverse=True, return_counts=True)
    if len(sizes) < needed_groups(level):
        return None
    return group_quantile(np.array(scores), 1 / sizes[group_number], level)
