"""Start from what was measured: complexes that differ by a few substitutions from training complexes.

Around a measured complex the pKd of its mutants is a Gaussian process (Rasmussen & Williams 2006): an
unknown level that all share, the predicted effects of the mutations, and what these effects miss. What they
miss is shared by two mutants that change the same position, and more so by two that change it alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ppi.complexes import Complex
from ppi.models.calibration import group_quantile, needed_groups
from ppi.prediction.placement import place

#: A complex is anchored if a measured one is at most so many substitutions away; all that are at most so many
#: away then count.
MOST_SUBSTITUTIONS, FARTHEST_NEIGHBOUR = 8, 20
#: Pair identity to a measured complex from which a complex is laid onto it where chains differ in length.
MIN_PLACED_IDENTITY = 0.9
#: Most measured complexes that one prediction starts from, the nearest first.
MOST_NEIGHBOURS = 200
#: Standard deviations in pKd units: of the level around the model's prediction, and of a measurement.
LEVEL_SD, MEASUREMENT_SD = 2.0, 0.3
#: How much a changed position adds to the predicted effects, as a standard deviation: what explains the
#: neighbours best is taken.
POSITION_SDS = (0.5, 1.0, 2.0)
#: Part of what a position adds that does not depend on the new residue.
SHARED_PART = 0.5
#: Beside what a position adds, and in units of it: what every changed position adds alike, and what a
#: combination of changes adds as a whole.
COMMON_PART, OWN_PART = 0.7, 0.7
#: Complexes of a group that are left out, one by one, to calibrate the interval.
_SCORED = 10
#: Change of pKd by one substitution, where no effects are predicted.
MEAN_EFFECT = -0.5

#: Gives ``(N,)`` pKd of complexes minus that of the first argument, which differs by substitutions alone.
Effects = Callable[[Complex, Sequence[Complex]], np.ndarray]
_Sides = tuple[tuple[str, ...], tuple[str, ...]]


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
    """Measured complexes, found by the lengths of their chains.

    Parameters
    ----------
    complexes
        Those with a pKd count. The order of chains within a side and of the two sides does not matter.
    effects
        Predicted effects of substitutions; none by default.
    """

    def __init__(self, complexes: Sequence[Complex], effects: Effects | None = None) -> None:
        self._effects = effects
        measured = [item for item in complexes if item.pkd is not None]
        self._sides = [_sides(item.ligand, item.receptor) for item in measured]
        self._number = {item.id: number for number, item in enumerate(measured)}
        self._pkd = np.array([item.pkd for item in measured], dtype=np.float64)
        self._rows = defaultdict[tuple[tuple[int, ...], ...], list[int]](list)
        for number, sides in enumerate(self._sides):
            self._rows[_lengths(sides)].append(number)
        self._residues: dict[tuple[tuple[int, ...], ...], np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._sides)

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
        found = self._neighbours(item, without)
        if found is None and like in self._number:
            placed = _placed(item, Complex("measured", *self._sides[self._number[like]]))
            found = None if placed is None else self._neighbours(placed, without)
        if found is None:
            return None
        numbers, known, sides = found
        reference = int((known[:, None] != known).sum(axis=2).sum(axis=1).argmin())
        everyone = np.vstack([known, _residues(sides)])
        mean = prior + self._mean_effects(numbers, everyone != known[reference], reference, sides)
        shared = _shared(everyone, known[reference])
        processes = (_Process.fit(shared, mean, self._pkd[numbers], sd) for sd in POSITION_SDS)
        best = max(processes, key=lambda process: process.likelihood)
        return Anchored(best.pkd, best.std, len(known))

    def _neighbours(self, item: Complex, without: int | None) -> tuple[np.ndarray, np.ndarray, _Sides] | None:
        """Return numbers and ``(N, L)`` residues of the neighbours, and the complex in their order."""
        best: tuple[np.ndarray, np.ndarray, _Sides] | None = None
        nearest = MOST_SUBSTITUTIONS + 1
        for sides in (_sides(item.ligand, item.receptor), _sides(item.receptor, item.ligand)):
            if _lengths(sides) not in self._rows:
                continue
            numbers, known = self._of_lengths(_lengths(sides))
            own = _residues(sides)
            distance = (known != own).sum(axis=1)
            if without is not None:
                distance = np.where(numbers == without, FARTHEST_NEIGHBOUR + 1, distance)
            kept = np.argsort(distance, kind="stable")[:MOST_NEIGHBOURS]
            kept = kept[distance[kept] <= FARTHEST_NEIGHBOUR]
            if len(kept) and distance[kept[0]] < nearest:
                nearest = int(distance[kept[0]])
                best = numbers[kept], known[kept], sides
        return best

    def _of_lengths(self, lengths: tuple[tuple[int, ...], ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return numbers and ``(N, L)`` residues of the complexes whose chains have these lengths."""
        numbers = self._rows[lengths]
        if lengths not in self._residues:
            self._residues[lengths] = np.stack([_residues(self._sides[number]) for number in numbers])
        return np.array(numbers), self._residues[lengths]

    def _mean_effects(
        self, numbers: np.ndarray, changed: np.ndarray, reference: int, sides: _Sides
    ) -> np.ndarray:
        """Return ``(N + 1,)``: expected pKd of neighbours and complex, minus that of the reference."""
        if self._effects is None:
            return MEAN_EFFECT * _diminishing(changed.sum(axis=1))
        known = [self._sides[number] for number in numbers]
        items = [Complex(str(number), *both) for number, both in enumerate([*known, sides])]
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


def _shared(residues: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return ``(N, N)``: how alike complexes of ``(N, L)`` residues deviate from what is expected."""
    changed = residues != reference
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
    shared: np.ndarray = (
        SHARED_PART * same_position
        + (1 - SHARED_PART) * same_residue
        + COMMON_PART**2 * np.outer(_diminishing(counts), _diminishing(counts))
        + OWN_PART**2 * equal
    )
    return shared


def _diminishing(counts: np.ndarray) -> np.ndarray:
    """Return what so many changes count for: 1 for one, 2 for three, 3 for seven."""
    return np.log2(1 + counts)


def _placed(item: Complex, onto: Complex) -> Complex | None:
    """Lay a complex onto a measured one in the role order that fits; None if neither does."""
    exchanged = Complex(item.id, item.receptor, item.ligand)
    either = (place(order, onto, most=MOST_SUBSTITUTIONS) for order in (item, exchanged))
    return next((placed for placed in either if placed is not None), None)


def _sides(ligand: tuple[str, ...], receptor: tuple[str, ...]) -> _Sides:
    """Return both sides with their chains in order of length."""
    ordered = (tuple(sorted(side, key=lambda chain: (len(chain), chain))) for side in (ligand, receptor))
    first, second = ordered
    return first, second


def _lengths(sides: _Sides) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(map(len, side)) for side in sides)


def _residues(sides: _Sides) -> np.ndarray:
    text = "".join(chain for side in sides for chain in side)
    return np.frombuffer(text.encode("ascii"), dtype=np.uint8)


def anchored_quantile(complexes: Sequence[Complex], groups: np.ndarray, level: float) -> float | None:
    """Return the quantile of errors in units of the predicted SD, each complex left out in turn.

    Parameters
    ----------
    complexes
        ``N`` measured ones.
    groups
        ``(N,)`` the group of each; see `ppi.models.calibration`.
    level
        Of the interval.

    Returns
    -------
    float or None
        None if too few groups have complexes with neighbours.
    """
    anchors, mean = Anchors(complexes), float(np.mean([item.pkd for item in complexes]))
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
