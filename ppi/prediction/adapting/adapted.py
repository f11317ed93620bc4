"""A model of one complex, adapted to its measured variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from ppi.complexes import CHAIN_SEPARATOR, Complex
from ppi.effects.mutations import Side
from ppi.prediction.adapting.measurements import sign_of
from ppi.prediction.adapting.observed import Observed
from ppi.prediction.adapting.posterior import NORMAL_QUANTILE, Posterior
from ppi.prediction.adapting.reference import placed_onto
from ppi.prediction.adapting.scales import Observations, Scales
from ppi.prediction.adapting.variants import Describer, Variants

#: When intervals are calibrated, so many measurements count as left out beside the real ones, with errors
#: so much larger than predicted: scales that were learnt from few measurements make errors look small.
_PRIOR_COUNT, _PRIOR_WIDENING = 10, 1.15
#: Spread of intervals is changed by a factor from this to its inverse.
_LEAST_WIDENING = 0.5


class AdaptedComplex:
    """Predicts variants of one complex; see `ppi.prediction.adapting.surrogate.Surrogate`.

    Parameters
    ----------
    wild
        The reference.
    observed
        What was measured, one row a variant.
    describer
        What is known of mutations beforehand.
    posterior
        That was fitted before; by default it is fitted to what was measured.
    name
        Name of the target; empty where there is only one.
    chain_names
        Names of the chains of each side of the reference, where they have names.

    Attributes
    ----------
    posterior
        In pKd units.
    """

    def __init__(
        self,
        wild: Complex,
        observed: Observed,
        describer: Describer,
        *,
        fitted: tuple[Observations, Scales] | None = None,
        name: str = "",
        chain_names: Mapping[Side, tuple[str, ...]] | None = None,
    ) -> None:
        self.wild, self.observed, self.describer, self.name = wild, observed, describer, name
        self.chain_names: Mapping[Side, tuple[str, ...]] = dict(chain_names or {})
        known = Variants.of(wild, observed.complexes, describer)
        if fitted is None:
            self.posterior = Posterior.fit(known, observed.observations, observed.side)
        else:
            self.posterior = Posterior(known, *fitted)

    @property
    def column(self) -> str:
        """Name of what is predicted."""
        return self.observed.column

    @property
    def unit(self) -> float:
        """How much of the column counts as one unit of pKd."""
        return self.observed.unit

    @property
    def measured(self) -> pd.DataFrame:
        """What was measured: ``id, ligand, receptor, value``; a higher value is better.

        Variants of which only a bound is known have the bound; column ``side`` says -1 where the true value
        is lower and 1 where it is higher.
        """
        items = self.observed.complexes
        return pd.DataFrame(
            {
                "id": [item.id for item in items],
                "ligand": [CHAIN_SEPARATOR.join(item.ligand) for item in items],
                "receptor": [CHAIN_SEPARATOR.join(item.receptor) for item in items],
                "value": self.observed.value,
                "side": self.observed.side,
                "replicates": self.observed.replicates,
            }
        )

    @cached_property
    def widening(self) -> float:
        """By what standard deviations are multiplied, so that measurements left out fall as they should."""
        exact = self.observed.side == 0
        mean, variance = self.posterior.left_out()
        scores = (self.observed.value / self.unit - mean)[exact] ** 2 / variance[exact]
        found = float(
            np.sqrt((_PRIOR_COUNT * _PRIOR_WIDENING**2 + scores.sum()) / (_PRIOR_COUNT + exact.sum()))
        )
        return min(max(found, _LEAST_WIDENING), 1 / _LEAST_WIDENING)

    def variants(self, complexes: Sequence[Complex]) -> Variants:
        """Describe variants.

        Raises
        ------
        InputError
            If one differs from the reference by more than substitutions.
        """
        return Variants.of(self.wild, self.placed(complexes), self.describer)

    def placed(self, complexes: Sequence[Complex]) -> list[Complex]:
        """Return variants with chains of the lengths of the reference.

        Raises
        ------
        InputError
            If one differs from the reference by more than substitutions.
        """
        return placed_onto(complexes, self.wild, which="the variants to predict")

    def predict(self, complexes: Sequence[Complex]) -> tuple[np.ndarray, np.ndarray]:
        """Return ``(N,)`` means and ``(N,)`` standard deviations of the true values; higher is better.

        The standard deviation is calibrated on what was left out, and does not contain the error of
        measuring, `noise`.

        Raises
        ------
        InputError
            If one differs from the reference by more than substitutions.
        """
        return self.predict_variants(self.variants(complexes))

    def predict_variants(self, variants: Variants) -> tuple[np.ndarray, np.ndarray]:
        """Return what `predict` returns, for variants that are described."""
        mean, variance = self.posterior.predict(variants)
        return self.unit * mean, self.unit * self.widening * np.sqrt(variance)

    def sample(self, complexes: Sequence[Complex], count: int, seed: int) -> np.ndarray:
        """Return ``(count, N)`` draws from the joint posterior distribution of the true values.

        They are exact for any number of variants; the time rises with the third power of the number of
        different mutations, a few seconds for 4,000.

        Raises
        ------
        InputError
            If one differs from the reference by more than substitutions.
        """
        variants = self.variants(complexes)
        drawn = self.posterior.sample(variants, count, seed)
        mean, _ = self.posterior.predict(variants)
        widened: np.ndarray = self.unit * (mean + self.widening * (drawn - mean))
        return widened

    @property
    def noise(self) -> float:
        """Standard deviation of one measurement, in the unit of the column."""
        return self.unit * self.posterior.scales.noise

    def half_width(self, spread: np.ndarray) -> np.ndarray:
        """Return half of the 90 % intervals of what would be measured, for ``(N,)`` standard deviations."""
        half: np.ndarray = NORMAL_QUANTILE * np.hypot(spread, self.widening * self.noise)
        return half

    def table(self, complexes: Sequence[Complex]) -> pd.DataFrame:
        """Return one row a variant, in input order, with the interval of what would be measured.

        Columns: ``id``, the predicted column with ``_std``, ``_lower`` and ``_upper``, ``rank`` (1 is best),
        ``measured`` where the very variant was, ``mutations`` (how many differ from the reference) and
        ``new_positions`` (how many of them at positions that no measured variant changes).

        Raises
        ------
        InputError
            If one differs from the reference by more than substitutions.
        """
        variants = self.variants(complexes)
        mean, spread = self.predict_variants(variants)
        half = self.half_width(spread)
        sign, column = sign_of(self.column), self.column
        known = self.posterior.known
        of_known = dict(
            zip(known.names(), np.where(self.observed.side == 0, self.observed.value, np.nan), strict=True)
        )
        new = ~np.isin(variants.singles.position, known.singles.position)
        return pd.DataFrame(
            {
                "id": [item.id for item in complexes],
                column: sign * mean,
                f"{column}_std": spread,
                f"{column}_lower": sign * mean - half,
                f"{column}_upper": sign * mean + half,
                "rank": pd.Series(-mean).rank(method="min").astype(int).to_numpy(),
                "measured": [sign * of_known.get(name, np.nan) for name in variants.names()],
                "mutations": variants.counts.astype(int),
                "new_positions": (variants.members @ new.astype(float)).astype(int),
            }
        )
