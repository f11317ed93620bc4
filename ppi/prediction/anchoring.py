"""Start from what was measured: complexes that differ by a few substitutions from training complexes.

Around a measured complex the pKd of its mutants is a Gaussian process: an unknown level that all share, the
expected effects of the mutations, and what these effects miss; see `ppi.prediction.process`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ppi.complexes import UNKNOWN, Complex
from ppi.effects.mutations import SIDES, Mutation, Side
from ppi.models.calibration import group_quantile, needed_groups
from ppi.prediction.neighbours import NeighbourIndex, Neighbours
from ppi.prediction.process import MEASUREMENT_SD, Process, Substitutions, diminishing

#: Most measured complexes that one prediction starts from, the nearest first.
MOST_NEIGHBOURS = 200
#: How much a changed position adds to the expected effects, as a standard deviation: the value that explains
#: the neighbours best is taken.
POSITION_SDS = (0.5, 1.0, 2.0)
#: Change of pKd by one substitution, where no effects are predicted.
MEAN_EFFECT = -0.5
#: Complexes of a group that are left out, one by one, to calibrate the interval.
_SCORED = 10

#: Columns and new residues (ASCII codes) of a row of `ppi.prediction.neighbours.Neighbours.residues`.
_Edit = frozenset[tuple[int, int]]

#: Gives ``(N,)`` pKd of complexes minus that of the first argument, which differs by substitutions alone.
Effects = Callable[[Complex, Sequence[Complex]], np.ndarray]
#: Gives the probability of each residue of ligand and receptor to be at the interface.
Interface = Callable[[Complex], tuple[np.ndarray, np.ndarray]]


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


@dataclass(frozen=True)
class AnchoredDifferences:
    """Changes of pKd by mutations that start from measured complexes.

    Attributes
    ----------
    pkd, std
        ``(V,)`` mean and standard deviation of the pKd that would be measured for a variant, minus that of
        the wild type; NaN for a variant whose residues the measured complexes lack.
    measured
        ``(V,)`` the same as it was measured; NaN where one of the two was not.
    neighbours
        How many measured complexes they start from.
    """

    pkd: np.ndarray
    std: np.ndarray
    measured: np.ndarray
    neighbours: int


class Anchors:
    """Measured complexes from which predictions start.

    Parameters
    ----------
    complexes
        Those with a pKd count. The order of chains within a side and of the two sides does not matter.
    effects
        Predicted effects of substitutions; by default each lowers pKd a little.
    interface
        Which residues are at the interface. Mutants are mostly measured there; what they have in common
        holds for a residue elsewhere only so far as it is as likely at the interface as those that were
        changed. By default it holds for all.
    """

    def __init__(
        self,
        complexes: Sequence[Complex],
        effects: Effects | None = None,
        interface: Interface | None = None,
    ) -> None:
        measured = [item for item in complexes if item.pkd is not None]
        self._effects, self._interface = effects, interface
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
        process, rows, mean = self._fit(near, prior)
        pkd, variance = process.predict(rows, mean)
        return Anchored(float(pkd[0]), float(np.sqrt(variance[0] + MEASUREMENT_SD**2)), len(near.numbers))

    def differences(
        self,
        wild: Complex,
        variants: Sequence[Sequence[Mutation]],
        prior: float,
        *,
        like: str | None = None,
    ) -> AnchoredDifferences | None:
        """Predict how mutations change the pKd of a complex; None if it has no measured neighbours.

        One process is used for all variants: that of the neighbours of the wild type.

        Parameters
        ----------
        wild
            The complex before the mutations.
        variants
            Mutations of each.
        prior, like
            Prior and similarity for the wild type; see `predict`.
        """
        near = self._index.find(wild, most=MOST_NEIGHBOURS, like=like)
        if near is None:
            return None
        edits = _edits(near, wild, variants)
        placed = np.array([edit is not None for edit in edits], dtype=bool)
        process, rows, mean = self._fit(near.joined_by(_edited(near, edits)), prior)
        own, mutants = rows.part(slice(0, 1)), rows.part(slice(1, None))
        (pkd,), (variance,) = process.predict(own, mean[:1])
        mutant_pkd, mutant_variance = process.predict(mutants, mean[1:])
        between = mutant_variance + variance - 2 * process.covariance_with(mutants, own)
        change, spread = np.full((2, len(edits)), np.nan)
        change[placed] = mutant_pkd - pkd
        # Both are measured, with an error each.
        spread[placed] = np.sqrt(np.maximum(between, 0) + 2 * MEASUREMENT_SD**2)
        return AnchoredDifferences(change, spread, self._measured(near, edits), len(near.numbers))

    def _measured(self, near: Neighbours, edits: Sequence[_Edit | None]) -> np.ndarray:
        """Return the ``(V,)`` measured pKd of edited complexes minus that of the complex itself."""
        found: dict[_Edit, list[float]] = {}
        changed = near.changed(len(near.residues) - 1)[:-1]
        for number, residues, differs in zip(near.numbers, near.residues[:-1], changed, strict=True):
            edit = frozenset((int(column), int(residues[column])) for column in np.flatnonzero(differs))
            found.setdefault(edit, []).append(float(self._pkd[number]))
        wild = np.mean(found.get(frozenset(), [np.nan]))
        pkd = [np.nan if edit is None else np.mean(found.get(edit, [np.nan])) for edit in edits]
        measured: np.ndarray = np.array(pkd, dtype=np.float64) - wild
        return measured

    def _fit(self, near: Neighbours, prior: float) -> tuple[Process, Substitutions, np.ndarray]:
        """Return the process that explains the neighbours best, the other rows, and their expected pKd."""
        reference, count = near.medoid(), len(near.numbers)
        changed = near.changed(reference)
        mean = prior + self._mean_effects(near, reference, changed)
        relevance = self._relevance(near, reference, np.flatnonzero(changed[:count].any(axis=0)))
        every, measured = Substitutions(near.residues, changed, relevance), self._pkd[near.numbers]
        known = every.part(slice(0, count))
        processes = (Process(known, mean[:count], measured, sd) for sd in POSITION_SDS)
        best = max(processes, key=lambda process: process.likelihood)
        return best, every.part(slice(count, None)), mean[count:]

    def _relevance(self, near: Neighbours, reference: int, measured: np.ndarray) -> np.ndarray:
        """Return ``(L,)``: the probability to be at the interface, over its mean for measured changes.

        Parameters
        ----------
        near, reference
            The neighbours, and the row from which changes are counted.
        measured
            Columns that are changed in a measured complex.
        """
        if self._interface is None or not len(measured):
            return np.ones(near.residues.shape[1])
        sides = self._interface(near.complexes()[reference])
        probability = np.concatenate(sides[::-1] if near.exchanged else sides)
        relevance: np.ndarray = np.clip(probability / probability[measured].mean(), 0, 1)
        return relevance

    def _mean_effects(self, near: Neighbours, reference: int, changed: np.ndarray) -> np.ndarray:
        """Return expected pKd of neighbours and other complexes, minus that of the reference."""
        if self._effects is None:
            return MEAN_EFFECT * diminishing(changed.sum(axis=1))
        items = near.complexes()
        return self._effects(items[reference], items)


def _edits(near: Neighbours, wild: Complex, variants: Sequence[Sequence[Mutation]]) -> list[_Edit | None]:
    """Return columns and new residues of each variant; None where the neighbours lack one of its residues.

    A residue that the reference does not know differs from none, and is lacking, too.
    """
    seen = (near.sources >= 0) & (near.residues[near.medoid()] != ord(UNKNOWN))
    column = {int(near.sources[number]): int(number) for number in np.flatnonzero(seen)}
    starts, start = dict[tuple[Side, int], int](), 0
    for side in SIDES:
        for chain, residues in enumerate(getattr(wild, side), start=1):
            starts[side, chain] = start
            start += len(residues)
    sites = [[starts[item.side, item.chain] + item.position - 1 for item in each] for each in variants]
    return [
        frozenset((column[site], ord(item.mutant)) for site, item in zip(own, each, strict=True))
        if all(site in column for site in own)
        else None
        for own, each in zip(sites, variants, strict=True)
    ]


def _edited(near: Neighbours, edits: Sequence[_Edit | None]) -> np.ndarray:
    """Return a row of residues for each edit of the complex."""
    known = [edit for edit in edits if edit is not None]
    rows = np.tile(near.residues[-1], (len(known), 1))
    for row, edit in zip(rows, known, strict=True):
        for column, residue in edit:
            row[column] = residue
    return rows


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
        Level of the interval, 0 to 1.
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
