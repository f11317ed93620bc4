"""A Gaussian process that has seen measured variants (Rasmussen & Williams 2006)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular

from ppi.prediction.adapting.bounds import with_bounds
from ppi.prediction.adapting.kernel import (
    TERMS,
    between,
    diagonal,
    diminishing,
    grams,
    single_covariance,
    towards,
)
from ppi.prediction.adapting.scales import (
    LEVEL_SD,
    SLOPE,
    Observations,
    Scales,
    covariance,
    expected,
    fit_scales,
    inverse_of,
)
from ppi.prediction.adapting.variants import Variants, joined

#: Variants that are predicted at a time.
_AT_ONCE = 4096
#: Rounds in which scales and what stands for bounds are found in turn.
_ROUNDS = 3
#: Part of a variance that is added where a draw needs a covariance that can be decomposed.
_JITTER = 1e-9
#: Half width of the 90 % interval of a normal distribution, in standard deviations.
NORMAL_QUANTILE = 1.6448536269514722


class Posterior:
    """What the measured variants say of all others.

    Parameters
    ----------
    known
        ``N`` measured variants.
    observations
        What was measured, in pKd units.
    scales
        Scales of the covariance.

    Attributes
    ----------
    level
        Expected value of a variant without predicted effect, before anything was measured.
    """

    def __init__(self, known: Variants, observations: Observations, scales: Scales) -> None:
        self.known, self.observations, self.scales = known, observations, scales
        self.level = expected(known.effect, observations)
        terms = grams(known, known)
        among = covariance(terms, scales.weights)
        among[np.diag_indices(len(known))] += observations.noise(scales.noise)
        self._lower = cholesky(among, lower=True)
        residual = observations.value - self.level - SLOPE * known.effect
        self._solved = cho_solve((self._lower, True), residual)

    @classmethod
    def fit(
        cls, known: Variants, observations: Observations, side: np.ndarray, *, steps: int = 60
    ) -> Posterior:
        """Find the scales, and what stands for bounds, that explain the measurements.

        Parameters
        ----------
        known
            ``N`` measured variants.
        observations
            What was measured; of bounds, the bounds.
        side
            ``(N,)``: -1 where the value lies below, 1 where above what `observations` has, else 0.
        steps
            Most steps of the search for scales.
        """
        terms, bound = grams(known, known), observations.value
        scales, current = Scales.usual(), observations
        for _ in range(_ROUNDS if side.any() else 1):
            mean = expected(known.effect, current) + SLOPE * known.effect
            prior = covariance(terms, scales.weights)
            current = with_bounds(prior, mean, current, side, bound, scales.noise)
            scales = fit_scales(terms, known.effect, current, steps=steps)
        return cls(known, current, scales)

    def predict(self, queries: Variants) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(Q,)`` means and ``(Q,)`` variances of true values, without the error of measuring."""
        weights = self.scales.weights
        of_singles = towards(queries.singles, self.known, weights)
        mean, variance = np.empty((2, len(queries)))
        for start in range(0, len(queries), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            part = queries.rows(rows)
            cross = LEVEL_SD**2 + between(part, self.known, of_singles, weights)
            mean[rows] = self.level + SLOPE * part.effect + cross @ self._solved
            half = solve_triangular(self._lower, cross.T, lower=True)
            variance[rows] = LEVEL_SD**2 + diagonal(part, weights) - (half**2).sum(axis=0)
        return mean, np.maximum(variance, _JITTER)

    def sample(self, queries: Variants, count: int, seed: int) -> np.ndarray:
        """Return ``(count, Q)`` draws of true values from their joint distribution.

        Notes
        -----
        What single mutations add is drawn for all that occur, and each draw is moved by what the measurements
        say against it (Matheron's rule): exact for any number of variants, at a cost that rises with the
        third power of the number of different mutations.
        """
        random, weights = np.random.default_rng(seed), self.scales.weights
        both = joined(self.known, queries)
        drawn = self._drawn(both, count, random)
        of_known, of_queries = drawn[:, : len(self.known)], drawn[:, len(self.known) :]
        noise = np.sqrt(self.observations.noise(self.scales.noise))
        measured = of_known + noise * random.standard_normal(of_known.shape)
        apart = (self.observations.value - measured).T
        of_singles = towards(queries.singles, self.known, weights)
        moved = cho_solve((self._lower, True), apart)
        found = of_queries.copy()
        for start in range(0, len(queries), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            cross = LEVEL_SD**2 + between(queries.rows(rows), self.known, of_singles, weights)
            found[:, rows] += (cross @ moved).T
        return found

    def left_out(self, groups: Sequence[np.ndarray] | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(N,)`` means and ``(N,)`` variances of each measurement from the others.

        Parameters
        ----------
        groups
            Rows that are left out together; by default each by itself. NaN for rows in none.

        Notes
        -----
        The closed form of section 5.4.2: scales stay as they are.
        """
        inverse = inverse_of(self._lower)
        mean, variance = np.full((2, len(self.known)), np.nan)
        if groups is None:
            variance = 1 / np.diag(inverse)
            return self.observations.value - variance * self._solved, variance
        for rows in groups:
            block = np.linalg.inv(inverse[np.ix_(rows, rows)])
            mean[rows] = self.observations.value[rows] - block @ self._solved[rows]
            variance[rows] = np.diag(block)
        return mean, variance

    def _drawn(self, items: Variants, count: int, random: np.random.Generator) -> np.ndarray:
        """Return ``(count, N)`` draws before anything was measured."""
        scale = dict(zip(TERMS, self.scales.terms, strict=True))
        inner = single_covariance(items.singles, items.singles, self.scales.weights)
        inner[np.diag_indices(len(inner))] *= 1 + _JITTER
        inner[np.diag_indices(len(inner))] += _JITTER
        lower = cholesky(inner, lower=True)
        singles = lower @ random.standard_normal((len(inner), count))
        level, slope, number = random.standard_normal((3, count, 1))
        names = {name: place for place, name in enumerate(dict.fromkeys(items.names()))}
        own = random.standard_normal((count, len(names)))
        drawn: np.ndarray = (items.members @ singles).T + self.level + LEVEL_SD * level
        drawn += (SLOPE + scale["slope"] * slope) * items.effect
        drawn += scale["count"] * number * diminishing(items.counts)
        drawn += scale["own"] * own[:, [names[name] for name in items.names()]]
        return drawn
