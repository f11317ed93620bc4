"""How well an adapted model ranks what it has not seen, beside simple baselines."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ppi.metrics import spearman
from ppi.prediction.adapting.observed import Observed
from ppi.prediction.adapting.one_hot import left_out_ridge
from ppi.prediction.adapting.posterior import NORMAL_QUANTILE, Posterior
from ppi.prediction.adapting.variants import Variants

#: Sizes of the learning curve, draws of each, steps of the search for scales in each, and fewest variants of
#: the rest that are ranked.
CURVE = (8, 16, 24, 48, 96, 192)
_DRAWS, _STEPS, _RANKED = 4, 20, 8
#: Groups of positions that are held out in turn.
_FOLDS = 5
#: Fewest positions for that, and fewest variants that are predicted so.
HELD_OUT_POSITIONS, HELD_OUT_VARIANTS = _FOLDS, _RANKED


@dataclass(frozen=True)
class Score:
    """How well values are predicted.

    Attributes
    ----------
    name
        Name of the predictor.
    spearman
        0 where it predicts the same for all.
    rmse
        In the unit of the values; NaN where the predictor gives ranks alone.
    """

    name: str
    spearman: float
    rmse: float


@dataclass(frozen=True)
class Validation:
    """Scores of what was left out.

    Attributes
    ----------
    variants, positions
        With a measured value, and positions that they change.
    left_out
        One variant left out at a time.
    held_out
        All variants of a position left out at a time; empty with fewer than five positions.
    held_out_variants
        How many these predictions are.
    coverage
        Part of the variants inside the 90 % interval, each left out.
    curve
        Variants learnt from, and mean Spearman correlation of the rest.
    """

    variants: int
    positions: int
    left_out: tuple[Score, ...]
    held_out: tuple[Score, ...]
    held_out_variants: int
    coverage: float
    curve: tuple[tuple[int, float], ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the same for JSON."""
        return asdict(self)


def validation_of(content: Mapping[str, Any]) -> Validation:
    """Return what `Validation.as_dict` gave."""
    scores = {name: tuple(Score(**each) for each in content[name]) for name in ("left_out", "held_out")}
    curve = tuple((int(size), float(value)) for size, value in content["curve"])
    return Validation(**{**content, **scores, "curve": curve})


def validate(posterior: Posterior, observed: Observed, widening: float, *, seed: int = 0) -> Validation:
    """Score an adapted model on what it was adapted to, each variant predicted without itself.

    Scales are those of all variants, but for the learning curve.

    Parameters
    ----------
    posterior
        That has seen all variants.
    observed
        The same variants.
    widening
        By which standard deviations are multiplied.
    seed
        Seed of the draws of the learning curve.
    """
    known, unit = posterior.known, observed.unit
    exact = np.flatnonzero(observed.side == 0)
    truth = observed.value / unit
    mean, variance = posterior.left_out()
    count, effect = len(exact), known.effect[exact]
    constant = _mean_of_others(truth[exact])
    shifted = effect + _mean_of_others(truth[exact] - effect)
    scores = (
        _score("adapted", truth[exact], mean[exact], unit),
        _score("one-hot ridge", truth[exact], left_out_ridge(known.rows(exact), truth[exact]), unit),
        Score("base model", _ranked(truth[exact], effect), unit * _rmse(truth[exact], shifted)),
        Score("constant", 0.0, unit * _rmse(truth[exact], constant)),
    )
    inside = np.abs(truth - mean)[exact] <= NORMAL_QUANTILE * widening * np.sqrt(variance[exact])
    held, rows = _held_out(posterior, observed)
    return Validation(
        count,
        len(np.unique(known.singles.position)),
        scores,
        held,
        rows,
        float(inside.mean()),
        tuple(_curve(known, observed, seed)),
    )


def position_folds(known: Variants) -> np.ndarray:
    """Return the ``(N,)`` folds of variants by position; -1 for those without a mutation.

    Positions are dealt in the order of how many variants change them. The fold of a variant is that of its
    most frequent position.
    """
    position, number = np.unique(known.singles.position, return_inverse=True)
    if len(position) < HELD_OUT_POSITIONS:
        return np.full(len(known), -1)
    often = np.bincount(number[known.members.indices], minlength=len(position))
    order = np.argsort(-often, kind="stable")
    fold_of = np.empty(len(position), dtype=int)
    fold_of[order] = np.arange(len(position)) % _FOLDS
    ends = known.members.indptr
    own = [number[known.members.indices[start:end]] for start, end in itertools.pairwise(ends)]
    return np.array([fold_of[each[often[each].argmax()]] if len(each) else -1 for each in own])


def _held_out(posterior: Posterior, observed: Observed) -> tuple[tuple[Score, ...], int]:
    """Return scores where all variants that change a position of a fold are left out."""
    known, fold = posterior.known, position_folds(posterior.known)
    if fold.max() < 0:
        return (), 0
    mean = np.full(len(known), np.nan)
    for number in range(_FOLDS):
        scored = fold == number
        touched = known.members[scored].sum(axis=0) > 0
        positions = np.unique(known.singles.position[np.asarray(touched).ravel()])
        mutations = np.isin(known.singles.position, positions).astype(float)
        out = np.flatnonzero(known.members @ mutations > 0)
        if len(known) - len(out) >= _FOLDS:
            found, _ = posterior.left_out([out])
            mean[scored] = found[scored]
    rows = np.flatnonzero(np.isfinite(mean) & (observed.side == 0))
    if len(rows) < HELD_OUT_VARIANTS:
        return (), 0
    truth, effect = observed.value[rows] / observed.unit, known.effect[rows]
    scores = (
        _score("adapted", truth, mean[rows], observed.unit),
        _score("base model", truth, effect + (truth - effect).mean(), observed.unit),
        Score("constant", 0.0, observed.unit * float(truth.std())),
    )
    return scores, len(rows)


def _curve(known: Variants, observed: Observed, seed: int) -> Iterator[tuple[int, float]]:
    """Yield numbers of variants learnt from, and the mean Spearman correlation of the rest."""
    for size in CURVE:
        if size + _RANKED > len(known):
            return
        found = [
            _of_rest(known, observed, size, np.random.default_rng([seed, size, draw]))
            for draw in range(_DRAWS)
        ]
        ranked = [each for each in found if np.isfinite(each)]
        if ranked:
            yield size, float(np.mean(ranked))


def _of_rest(known: Variants, observed: Observed, size: int, random: np.random.Generator) -> float:
    order = random.permutation(len(known))
    learnt, rest = order[:size], order[size:]
    rest = rest[observed.side[rest] == 0]
    part = observed.rows(learnt)
    exact = part.value[part.side == 0]
    if len(exact) < 2 or np.ptp(exact) == 0 or len(rest) < _RANKED:
        return np.nan
    posterior = Posterior.fit(known.rows(learnt), part.observations, part.side, steps=_STEPS)
    return _ranked(observed.value[rest], posterior.predict(known.rows(rest))[0])


def _mean_of_others(values: np.ndarray) -> np.ndarray:
    found: np.ndarray = (values.sum() - values) / max(1, len(values) - 1)
    return found


def _score(name: str, truth: np.ndarray, predicted: np.ndarray, unit: float) -> Score:
    return Score(name, _ranked(truth, predicted), unit * _rmse(truth, predicted))


def _ranked(truth: np.ndarray, predicted: np.ndarray) -> float:
    return spearman(truth, predicted) if np.ptp(predicted) > 0 and np.ptp(truth) > 0 else 0.0


def _rmse(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.sqrt(np.mean((truth - predicted) ** 2)))
