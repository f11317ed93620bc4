"""Split-conformal prediction intervals for grouped complexes of unequal difficulty.

The interval is ``prediction +- quantile * difficulty``, where ``difficulty`` is the expected error of a
complex: ``constant + per_spread * spread + per_distance * (1 - pair identity)``, no term below 0 (normalised
nonconformity: Papadopoulos, Vovk & Gammerman 2011, doi 10.1613/jair.3198).

Complexes of one target are not independent draws, but targets may be. So groups are exchangeable: each has
the same weight, shared by its complexes, and so has the new group, whose error is arbitrary. This is
hierarchical conformal prediction (Lee, Barber & Willett 2023, "Distribution-free inference with hierarchical
data", arXiv 2306.06342), close to the pooled distributions of Dunn, Wasserman & Ramdas 2022
("Distribution-free prediction sets for two-layer hierarchical models", arXiv 1809.07441). The guarantee is
for one complex of a new group that is like the validation groups. It does not hold for groups of another
kind, or within one group.

Neither `crepes` nor `MAPIE` has a quantile weighted by groups, so it is implemented here.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ppi.errors import InputError, ModelError
from ppi.plurals import counted

LEVEL = 0.9
#: Number of folds of groups, each scored by a difficulty fitted on the others.
FOLDS = 10
#: Identity from which on a complex counts as similar to a training complex.
FAMILIAR = 0.3
#: Minimum of the constant as a fraction of the mean error: a difficulty near 0 would give unbounded scores.
SMALLEST_CONSTANT = 0.1
#: Tolerance of sums of weights.
_TOLERANCE = 1e-9

_NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Calibration:
    """The parameters of prediction intervals.

    Attributes
    ----------
    level
        Nominal coverage: the fraction of new complexes, one per group like the validation groups, with pKd
        inside.
    quantile
        Quantile of the errors in units of the difficulty.
    constant, per_spread, per_distance
        Coefficients of the difficulty, in pKd units; `per_spread` is per unit of the spread, `per_distance`
        from identity 1 to 0.
    complexes, groups
        Number of validation complexes of the calibration, and number of their groups.
    validation_coverage
        Fraction of these complexes inside, with equal weight per complex (`level` weights groups equally).
        The intervals were calibrated on them, so this is not a test.
    validation_median_width
        Median full width of their intervals, in pKd units.
    anchored_quantile
        Quantile of the errors, in units of the predicted standard deviation, of predictions that start from
        measured neighbours (`ppi.prediction.anchoring`); None for a model without such predictions.
    """

    level: Annotated[float, Field(gt=0, lt=1)]
    quantile: _NotNegative
    constant: _NotNegative
    per_spread: _NotNegative
    per_distance: _NotNegative
    complexes: _Count
    groups: _Count
    validation_coverage: Annotated[float, Field(ge=0, le=1)]
    validation_median_width: _NotNegative
    anchored_quantile: _NotNegative | None = None

    def half_width(self, spread: np.ndarray, identity: np.ndarray) -> np.ndarray:
        """Return ``(N,)`` half widths of intervals, in pKd units.

        Parameters
        ----------
        spread
            ``(N,)`` `ppi.prediction.engine.MemberPredictions.spread`; not used if `per_spread` is 0.
        identity
            ``(N,)`` `ppi.prediction.novelty.NearestComplex.pair_identity`, 0 to 1; NaN (unknown) counts as 0,
            which gives the widest interval.

        Raises
        ------
        ModelError
            If a spread is needed and missing.
        """
        if self.per_spread and np.isnan(spread).any():
            raise ModelError(
                "the calibration needs a model that predicts a spread (an ensemble or heteroscedastic "
                "heads), but this one does not"
            )
        coefficients = np.array([self.constant, self.per_spread, self.per_distance])
        widths: np.ndarray = self.quantile * (_features(spread, identity) @ coefficients)
        return widths

    @property
    def description(self) -> str:
        """Description of the interval and its calibration, for the model card."""
        return (
            f"Interval: prediction +- {self.quantile:.2f} * ({self.constant:.2f} + {self.per_spread:.2f} * "
            f"`pkd_std` + {self.per_distance:.2f} * (1 - `pair_identity`)), the {self.level:.0%} "
            f"split-conformal interval of {self.groups} groups of {self.complexes} validation complexes "
            f"(median width {self.validation_median_width:.2f}, {self.validation_coverage:.1%} inside). "
            "It holds for complexes of new targets that are like these groups, each group counted once."
        )


def read_calibration(path: Path) -> Calibration:
    """Read a `Calibration` from JSON, which must have exactly its keys.

    Raises
    ------
    ModelError
        If the file is not a calibration; the message names the file and the key.
    OSError
        If the file cannot be read.
    """
    try:
        return TypeAdapter(Calibration).validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise ModelError(f"{path}: {key}: {first['msg']}, but got {first['input']!r:.40}") from error


def needed_groups(level: float = LEVEL) -> int:
    """Return the minimum number of validation groups for a finite interval of a level."""
    return math.ceil(level / (1 - level) - _TOLERANCE)


def check_groups(groups: np.ndarray, level: float = LEVEL) -> None:
    """Raise if there are too few validation groups for a finite interval.

    Parameters
    ----------
    groups
        ``(N,)`` the group of each complex.
    level
        Level of the interval, 0 to 1.

    Raises
    ------
    InputError
        If there are too few: ``G`` groups have ``G / (G + 1)`` of the weight, which must reach `level`.
    """
    if not 0 < level < 1:
        raise InputError(f"the level of the interval is {level}; it must be between 0 and 1")
    found, needed = len(np.unique(groups)), needed_groups(level)
    if found < needed:
        raise InputError(
            f"there are only {counted(len(groups), 'validation complex')}; at least {needed} groups of them "
            f"(column cluster, else pdb, else each alone) are needed for a {level:.0%} interval, these are "
            f"of {found}"
        )


def fit_calibration(
    measured: np.ndarray,
    predicted: np.ndarray,
    spread: np.ndarray,
    identity: np.ndarray,
    groups: np.ndarray,
    level: float = LEVEL,
) -> Calibration:
    """Calibrate intervals on validation complexes.

    The difficulty is fitted to the errors by non-negative least squares with equal weight per group. The
    divisor of an error must not depend on that error, so groups are assigned to `FOLDS` folds, and each fold
    is scored by a difficulty fitted on the other folds. The quantile is that of all these scores, with its
    rank rounded up; the final difficulty is fitted on all complexes (cross-conformal, Vovk 2015, with one
    final predictor). The level is approximate to the extent that the difficulties of the folds differ from
    the final one.

    Parameters
    ----------
    measured, predicted
        ``(N,)`` pKd.
    spread
        ``(N,)`` `ppi.prediction.engine.MemberPredictions.spread`; all NaN if there is none.
    identity
        ``(N,)`` `ppi.prediction.novelty.NearestComplex.pair_identity`, 0 to 1.
    groups
        ``(N,)`` the group of each complex; see `ppi.io.tables.ComplexTable.targets`.
    level
        Level of the interval, 0 to 1.

    Raises
    ------
    InputError
        If there are too few groups, or a measurement or prediction is not finite, or all errors are 0.
    """
    check_groups(groups, level)
    error = np.abs(measured - predicted)
    if not np.isfinite(error).all():
        raise InputError(f"{np.sum(~np.isfinite(error))} validation errors are not finite")
    _, group, size = np.unique(groups, return_inverse=True, return_counts=True)
    weight = 1 / size[group]
    features = _features(spread, identity if _informs(identity, groups) else np.ones(len(error)))
    scores = np.empty(len(error))
    fold = _folds(size)[group]
    for number in range(fold.max() + 1):
        held, rest = fold == number, fold != number
        scores[held] = error[held] / (features[held] @ _difficulty(features[rest], error[rest], weight[rest]))
    quantile = group_quantile(scores, weight, level)
    coefficients = _difficulty(features, error, weight)
    half_width = quantile * (features @ coefficients)
    constant, per_spread, per_distance = map(float, coefficients)
    return Calibration(
        level=level,
        quantile=quantile,
        constant=constant,
        per_spread=per_spread,
        per_distance=per_distance,
        complexes=len(error),
        groups=len(size),
        validation_coverage=float(np.mean(error <= half_width)),
        validation_median_width=float(2 * np.median(half_width)),
    )


def group_quantile(scores: np.ndarray, weight: np.ndarray, level: float) -> float:
    """Return the smallest score that covers `level` of the groups, including a new one.

    Parameters
    ----------
    scores
        ``(N,)`` scores; that of the new group is arbitrary and counts as infinite.
    weight
        ``(N,)`` one divided by the number of scores of the same group, so that a group has weight 1.
    level
        Fraction of the weight, which is ``G + 1`` for ``G`` groups; `check_groups` checks that they suffice.
    """
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weight[order])
    groups = round(reached[-1])
    return float(scores[order][np.searchsorted(reached, level * (groups + 1) - _TOLERANCE)])


def _informs(identity: np.ndarray, groups: np.ndarray) -> bool:
    """Return whether enough groups are familiar, and enough are not, to fit the effect of the identity.

    Without familiar complexes, a line through new ones would extrapolate to intervals without support.
    """
    familiar = identity >= FAMILIAR
    return min(len(np.unique(groups[familiar])), len(np.unique(groups[~familiar]))) >= FOLDS


def _features(spread: np.ndarray, identity: np.ndarray) -> np.ndarray:
    """Return the ``(N, 3)`` features of the difficulty; an unknown value is 0, so that its term is 0."""
    return np.stack([np.ones(len(spread)), np.nan_to_num(spread), 1 - np.nan_to_num(identity)], axis=1)


def _folds(size: np.ndarray) -> np.ndarray:
    """Return ``(G,)`` folds of groups, assigned from the largest to the smallest."""
    fold = np.empty(len(size), dtype=int)
    fold[np.argsort(-size, kind="stable")] = np.arange(len(size)) % FOLDS
    return fold


def _difficulty(features: np.ndarray, error: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the ``(3,)`` non-negative coefficients of the expected error."""
    from scipy.optimize import nnls

    least = SMALLEST_CONSTANT * float(np.average(error, weights=weight))
    if least == 0:
        raise InputError(
            "validation complexes are predicted without any error: no interval can be calibrated"
        )
    root = np.sqrt(weight)
    coefficients: np.ndarray = nnls(features * root[:, None], (error - least) * root)[0]
    return coefficients + np.array([least, 0, 0])
