"""Split-conformal intervals of predictions, honest where complexes come in groups and are unequally hard.

The interval is ``prediction +- quantile * difficulty``, where ``difficulty`` is the error to be expected
of one complex: ``constant + per_spread * spread + per_distance * (1 - pair identity)``, no term below 0
(normalised nonconformity: Papadopoulos, Vovk & Gammerman 2011, doi 10.1613/jair.3198).

Complexes of one target are no independent draws; targets may be. So groups are what is exchangeable: each has
the same weight, shared by its complexes, and so has the new group, which may hold any error: hierarchical
conformal prediction (Lee, Barber & Willett 2023, "Distribution-free inference with hierarchical data", arXiv
2306.06342), close to the pooled distributions of Dunn, Wasserman & Ramdas 2022 ("Distribution-free
prediction sets for two-layer hierarchical models", arXiv 1809.07441). The promise is for one complex of a
new group that is like the validation groups. It does not hold for groups of another kind, nor within one.

Neither `crepes` nor `MAPIE` has a quantile weighted by groups, hence these few lines.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ppi.errors import InputError, ModelError

LEVEL = 0.9
#: Parts of the groups, each scored by a difficulty fitted on the others.
FOLDS = 10
#: Identity from which a complex resembles one that was trained on.
FAMILIAR = 0.3
#: The constant is this part of the mean error or more: a difficulty near 0 would make one score boundless.
SMALLEST_CONSTANT = 0.1
#: Sums of weights are exact to this.
_TOLERANCE = 1e-9

_NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Calibration:
    """How wide the interval of a prediction is.

    Attributes
    ----------
    level
        Part of new complexes, one from each group like those of the validation, whose pKd lies inside.
    quantile
        Of the errors in units of the difficulty.
    constant, per_spread, per_distance
        The difficulty, in pKd units; `per_spread` a unit of the spread, `per_distance` from identity 1 to 0.
    complexes, groups
        How many validation complexes it was calibrated on, and their groups.
    validation_coverage
        Part of these complexes, each counted alike (`level` counts groups alike), that lie inside. They
        calibrated it, so this is no test.
    validation_median_width
        Of their whole intervals, in pKd units.
    anchored_quantile
        Of the errors, in units of the predicted standard deviation, where a prediction starts from measured
        neighbours (`ppi.prediction.anchoring`); None for a model whose predictions do not.
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
            ``(N,)`` `ppi.prediction.novelty.NearestComplex.pair_identity`, 0 to 1; NaN, not known, counts as
            0, the widest.

        Raises
        ------
        ModelError
            If a spread is needed and missing.
        """
        if self.per_spread and np.isnan(spread).any():
            raise ModelError("the calibration is of a model that gives a spread, but this one gives none")
        coefficients = np.array([self.constant, self.per_spread, self.per_distance])
        widths: np.ndarray = self.quantile * (_features(spread, identity) @ coefficients)
        return widths

    @property
    def description(self) -> str:
        """What the interval is and was calibrated on, for the model card."""
        return (
            f"Interval: prediction +- {self.quantile:.2f} * ({self.constant:.2f} + {self.per_spread:.2f} * "
            f"`pkd_std` + {self.per_distance:.2f} * (1 - `pair_identity`)), the {self.level:.0%} "
            f"split-conformal interval of {self.groups} groups of {self.complexes} validation complexes "
            f"(median width {self.validation_median_width:.2f}, {self.validation_coverage:.1%} inside). "
            "It holds for complexes of new targets that are like these groups, each group counted once."
        )


def read_calibration(path: Path) -> Calibration:
    """Read a `Calibration` from JSON, every key of it and no other.

    Raises
    ------
    ModelError
        If it is not one; the message names the file and the key.
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
    """Return how many groups of validation complexes a finite interval of a level needs at least."""
    return math.ceil(level / (1 - level) - _TOLERANCE)


def check_groups(groups: np.ndarray, level: float = LEVEL) -> None:
    """Raise if validation complexes are of too few groups for a finite interval.

    Parameters
    ----------
    groups
        ``(N,)`` the group of each complex.
    level
        Of the interval, 0 to 1.

    Raises
    ------
    InputError
        If they are: the ``G`` groups have ``G / (G + 1)`` of the weight, which must reach `level`.
    """
    if not 0 < level < 1:
        raise InputError(f"the level of the interval is {level}; it must be between 0 and 1")
    found, needed = len(np.unique(groups)), needed_groups(level)
    if found < needed:
        raise InputError(
            f"there are {len(groups)} validation complex(es); at least {needed} groups of them (column "
            f"cluster, else pdb, else each alone) are needed for a {level:.0%} interval, these are of {found}"
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

    The difficulty is fitted to the errors by non-negative least squares, groups weighted alike. What it is
    divided by must not have seen the error: groups are dealt to `FOLDS` folds, and each fold is scored by a
    difficulty fitted on the other folds. The quantile is that of all these scores, its rank rounded up; the
    final difficulty is fitted on everything (cross-conformal, Vovk 2015, with one final predictor). The
    level is approximate, by as much as the difficulties of the folds differ from the final one.

    Parameters
    ----------
    measured, predicted
        ``(N,)`` pKd.
    spread
        ``(N,)`` `ppi.prediction.engine.MemberPredictions.spread`; all NaN where there is none.
    identity
        ``(N,)`` `ppi.prediction.novelty.NearestComplex.pair_identity`, 0 to 1.
    groups
        ``(N,)`` the group of each complex; see `ppi.io.tables.ComplexTable.targets`.
    level
        Of the interval, 0 to 1.

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
    """Return the smallest score that holds `level` of the groups, a new one among them.

    Parameters
    ----------
    scores
        ``(N,)``; the new group's may be anything, so it counts as infinite.
    weight
        ``(N,)`` one divided by how many scores are of the same group: a group has weight 1.
    level
        Part of the weight, ``G + 1`` for ``G`` groups; `check_groups` says whether they suffice.
    """
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weight[order])
    groups = round(reached[-1])
    return float(scores[order][np.searchsorted(reached, level * (groups + 1) - _TOLERANCE)])


def _informs(identity: np.ndarray, groups: np.ndarray) -> bool:
    """Say whether enough groups are familiar, and enough are not, to tell how much the identity is worth.

    Without familiar complexes a line through new ones would promise them an interval that nothing supports.
    """
    familiar = identity >= FAMILIAR
    return min(len(np.unique(groups[familiar])), len(np.unique(groups[~familiar]))) >= FOLDS


def _features(spread: np.ndarray, identity: np.ndarray) -> np.ndarray:
    """Return ``(N, 3)`` what the difficulty is a sum of; what is not known is 0 (so its term is)."""
    return np.stack([np.ones(len(spread)), np.nan_to_num(spread), 1 - np.nan_to_num(identity)], axis=1)


def _folds(size: np.ndarray) -> np.ndarray:
    """Return ``(G,)`` folds of groups, dealt from the largest to the smallest."""
    fold = np.empty(len(size), dtype=int)
    fold[np.argsort(-size, kind="stable")] = np.arange(len(size)) % FOLDS
    return fold


def _difficulty(features: np.ndarray, error: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return ``(3,)`` coefficients of the expected error, none below 0."""
    from scipy.optimize import nnls

    least = SMALLEST_CONSTANT * float(np.average(error, weights=weight))
    if least == 0:
        raise InputError(
            "validation complexes are predicted without any error: no interval can be calibrated"
        )
    root = np.sqrt(weight)
    coefficients: np.ndarray = nnls(features * root[:, None], (error - least) * root)[0]
    return coefficients + np.array([least, 0, 0])
