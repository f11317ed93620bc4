"""One row a variant: replicates averaged, and what they say of the noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ppi.complexes import Complex
from ppi.errors import InputError
from ppi.prediction.adapting.measurements import Measured, unit_of
from ppi.prediction.adapting.scales import Observations


@dataclass(frozen=True)
class Observed:
    """Measured variants of one complex, each once.

    Attributes
    ----------
    complexes
        ``N`` variants.
    value
        ``(N,)`` means of the replicates, higher is better; of a bound, the tightest bound.
    side
        ``(N,)``: -1 where the true value is lower, 1 where higher, 0 where it was measured.
    replicates
        ``(N,)`` how often each was measured.
    squares, freedom
        Sum of squared deviations of replicates from their means, and how many are free to vary.
    column
        Variance of the value.
    unit
        How much of the column counts as one unit of pKd.
    """

    complexes: tuple[Complex, ...]
    value: np.ndarray
    side: np.ndarray
    replicates: np.ndarray
    squares: float
    freedom: int
    column: str
    unit: float

    @property
    def observations(self) -> Observations:
        """The same in pKd units; of bounds, the bounds."""
        variance = np.where(self.side == 0, np.nan, 1.0)
        return Observations(
            self.value / self.unit,
            variance,
            self.replicates.astype(np.float64),
            self.squares / self.unit**2,
            self.freedom,
        )

    def rows(self, chosen: np.ndarray) -> Observed:
        """Return some of the variants; what replicates say of the noise stays."""
        return Observed(
            tuple(self.complexes[row] for row in chosen),
            self.value[chosen],
            self.side[chosen],
            self.replicates[chosen],
            self.squares,
            self.freedom,
            self.column,
            self.unit,
        )


def observe(complexes: list[Complex], measured: Measured) -> Observed:
    """Average replicates.

    Where a variant has values and bounds, the values count. Of several bounds the tightest counts.

    Parameters
    ----------
    complexes
        The variants, laid onto the reference.
    measured
        What was measured of each.

    Raises
    ------
    InputError
        If all values are bounds, fewer than two variants have a value, or all values are equal.
    """
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[int]] = {}
    for number, item in enumerate(complexes):
        groups.setdefault((item.ligand, item.receptor), []).append(number)
    merged = [_merged(np.array(rows), measured) for rows in groups.values()]
    value, side, replicates, squares = np.array(merged, dtype=np.float64).reshape(-1, 4).T
    exact = value[side == 0]
    _check(exact, len(value))
    return Observed(
        tuple(complexes[rows[0]] for rows in groups.values()),
        value,
        side.astype(int),
        replicates.astype(int),
        float(squares.sum()),
        int((replicates - 1).sum()),
        measured.column,
        unit_of(measured.column, exact),
    )


def _merged(rows: np.ndarray, measured: Measured) -> tuple[float, int, int, float]:
    """Return value, side, number of replicates, and their squared deviations, of one variant."""
    value, side = measured.value[rows], measured.side[rows]
    exact = value[side == 0]
    if len(exact):
        return float(exact.mean()), 0, len(exact), float(((exact - exact.mean()) ** 2).sum())
    # The true value is below the lowest upper bound; else above the highest lower one.
    if (side < 0).any():
        return float(value[side < 0].min()), -1, 1, 0.0
    return float(value.max()), 1, 1, 0.0


def _check(exact: np.ndarray, variants: int) -> None:
    if not len(exact):
        raise InputError(
            f"all {variants} measured variants have only a bound (column censored); at least two need a "
            "measured value"
        )
    if len(exact) < 2:
        raise InputError(f"{len(exact)} variant has a measured value; at least two are needed")
    if np.ptp(exact) == 0:
        raise InputError(
            f"all {len(exact)} measured values are {abs(exact[0]):g}; nothing can be ranked by them"
        )
