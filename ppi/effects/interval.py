"""How far a measured effect of mutations may lie from the predicted one.

The interval is ``ddG +- half width``. A half width is the quantile of the errors on structures that the
model has not seen, each structure counted once (`ppi.models.calibration.group_quantile`). There are four of
them: for one mutation and for several, and for complexes that resemble one of training and for others. Widths
that grow with the size of the prediction, or with the predicted interface, were not narrower at the same
coverage.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ppi.errors import InputError, ModelError
from ppi.models.calibration import FOLDS, LEVEL, group_quantile, needed_groups

_Width = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Part = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class EffectInterval:
    """Half widths of intervals of ddG, in kcal/mol.

    Attributes
    ----------
    level
        Part of new structures, one variant from each, whose measured effect lies inside.
    single, several
        Half width for variants of one mutation, and of more, of a complex that resembles one of training.
    new_single, new_several
        The same for other complexes.
    structures, variants
        What it was calibrated on.
    coverage, new_coverage
        Part of the variants, structures counted alike, that lie in intervals calibrated on other structures.
    """

    level: Annotated[float, Field(gt=0, lt=1)]
    single: _Width
    several: _Width
    new_single: _Width
    new_several: _Width
    structures: Annotated[int, Field(ge=1)]
    variants: Annotated[int, Field(ge=1)]
    coverage: _Part
    new_coverage: _Part

    def half_width(self, mutations: np.ndarray, *, new: bool) -> np.ndarray:
        """Return ``(N,)`` half widths for variants of so many mutations; no mutation has no effect."""
        single, several = (self.new_single, self.new_several) if new else (self.single, self.several)
        widths: np.ndarray = np.select([mutations == 0, mutations == 1], [0.0, single], several)
        return widths


class _Widths(NamedTuple):
    single: float
    several: float
    coverage: float


def fit_interval(
    structures: Sequence[str],
    mutations: np.ndarray,
    measured: np.ndarray,
    predicted: np.ndarray,
    new: np.ndarray,
    level: float = LEVEL,
) -> EffectInterval:
    """Calibrate the interval.

    Parameters
    ----------
    structures
        Structure of each of ``N`` variants.
    mutations
        ``(N,)`` how many mutations it has.
    measured
        ``(N,)`` ddG in kcal/mol.
    predicted, new
        ``(N,)`` ddG by models that have seen neither the structure nor its PDB entry, and by models that have
        seen no chain like those of the structure either.
    level
        Level of the interval, 0 to 1.

    Raises
    ------
    InputError
        If there are too few structures.
    """
    groups = np.unique(structures, return_inverse=True)[1]
    several = mutations > 1
    known, unlike = (_widths(groups, several, np.abs(measured - each), level) for each in (predicted, new))
    return EffectInterval(
        level=level,
        single=known.single,
        several=known.several,
        new_single=unlike.single,
        new_several=unlike.several,
        structures=int(groups.max()) + 1,
        variants=len(measured),
        coverage=known.coverage,
        new_coverage=unlike.coverage,
    )


def read_interval(path: Path) -> EffectInterval:
    """Read an `EffectInterval` from JSON, every key of it and no other.

    Raises
    ------
    ModelError
        If it is not one; the message names the file and the key.
    """
    try:
        return TypeAdapter(EffectInterval).validate_json(path.read_bytes(), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise ModelError(f"{path}: {key}: {first['msg']}, but got {first['input']!r:.40}") from error


def _widths(groups: np.ndarray, several: np.ndarray, error: np.ndarray, level: float) -> _Widths:
    """Return both half widths, and their coverage where each fold of groups is left out in turn."""
    fold = groups % FOLDS
    inside = np.empty(len(error), dtype=bool)
    for number in range(FOLDS):
        held = fold == number
        for kind in (several, ~several):
            width = _quantile(groups, kind & ~held, error, level)
            inside[held & kind] = error[held & kind] <= width
    return _Widths(
        _quantile(groups, ~several, error, level),
        _quantile(groups, several, error, level),
        float(np.average(inside, weights=_weight(groups))),
    )


def _quantile(groups: np.ndarray, chosen: np.ndarray, error: np.ndarray, level: float) -> float:
    found, needed = len(np.unique(groups[chosen])), needed_groups(level)
    if found < needed:
        raise InputError(
            f"an interval of {level:.0%} needs variants of one mutation, and variants of several, in "
            f"{needed} structures or more, also where a tenth of them is left out; there are {found}"
        )
    return group_quantile(error[chosen], _weight(groups[chosen]), level)


def _weight(groups: np.ndarray) -> np.ndarray:
    """Return one divided by the size of the group of each row."""
    _, number, size = np.unique(groups, return_inverse=True, return_counts=True)
    weight: np.ndarray = 1 / size[number]
    return weight
