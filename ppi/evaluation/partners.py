"""The partner test of a score: true pairs against the same ligands with receptors of other complexes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ppi.complexes import Complex
from ppi.errors import InputError
from ppi.evaluation.baselines import entry_weights
from ppi.evaluation.bootstrap import Score, groups_of, resample, with_interval
from ppi.io.tables import ComplexTable

#: Number of wrong partners per complex.
PARTNERS = 20

#: Function that returns ``(N,)`` scores by name for ``N`` complexes; a higher score means binding.
Scorer = Callable[[Sequence[Complex]], Mapping[str, np.ndarray]]


def draw_partners(table: ComplexTable, *, count: int = PARTNERS, seed: int = 0) -> np.ndarray:
    """Draw the complexes whose receptors become wrong partners of the ligands.

    A wrong partner is the receptor of a complex of another group (`ppi.evaluation.bootstrap.groups_of`) that
    shares no side with the complex: with a shared side the exchanged pair may well be a true one. Complexes
    are drawn with replacement, each with the weight 1 / complexes of its PDB entry. So receptors occur among
    the wrong partners about as often as among the true ones, and a score that sees only the receptor gains
    nothing.

    Parameters
    ----------
    table
        ``N`` complexes.
    count
        Number of wrong partners of each complex, ``K``.
    seed
        Seed of the draws.

    Returns
    -------
    ndarray
        ``(N, K)`` row numbers of the complexes that lend their receptors.

    Raises
    ------
    InputError
        If a complex has no wrong partner among the others.
    """
    random = np.random.default_rng(seed)
    groups, weight = groups_of(table), entry_weights(table)
    sides = [{item.ligand, item.receptor} for item in table.complexes]
    drawn = np.empty((len(table), count), dtype=np.int64)
    for row, own in enumerate(sides):
        apart = np.array([own.isdisjoint(other) for other in sides])
        candidates = np.flatnonzero(apart & (groups.number != groups.number[row]))
        if not len(candidates):
            raise InputError(
                f"complex {table.complexes[row].id!r} has no wrong partner: none of the {len(table)} "
                f"complexes beside it is of another {groups.column} and shares no side with it; more "
                "complexes of other targets are needed"
            )
        chances = weight[candidates] / weight[candidates].sum()
        drawn[row] = random.choice(candidates, size=count, p=chances)
    return drawn


def score_partners(complexes: Sequence[Complex], drawn: np.ndarray, score: Scorer) -> dict[str, np.ndarray]:
    """Score each ligand with its wrong partners; each distinct pair is scored once.

    Parameters
    ----------
    complexes
        ``N`` true pairs.
    drawn
        ``(N, K)`` from `draw_partners`.
    score
        Function that scores complexes.

    Returns
    -------
    dict
        ``(N, K)`` scores by name.
    """
    number: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}
    place = np.empty(drawn.shape, dtype=np.int64)
    for row, lenders in enumerate(drawn):
        for column, lender in enumerate(lenders):
            pair = (complexes[row].ligand, complexes[lender].receptor)
            place[row, column] = number.setdefault(pair, len(number))
    pairs = [Complex(f"pair{index}", *sides) for sides, index in number.items()]
    return {name: np.asarray(values)[place] for name, values in score(pairs).items()}


def partner_auroc(true: np.ndarray, wrong: np.ndarray, weight: np.ndarray, groups: np.ndarray) -> Score:
    """Return the weighted mean, over complexes, of the fraction of wrong partners that score lower.

    Parameters
    ----------
    true
        ``(N,)`` scores of the true pairs.
    wrong
        ``(N, K)`` scores with wrong partners; one that is equal to the true score counts half.
    weight
        ``(N,)`` weights of the complexes.
    groups
        ``(N,)`` the groups that the bootstrap draws.

    Returns
    -------
    Score
        0.5 is chance, 1 that every true pair scores higher than its wrong ones.
    """
    lower = (wrong < true[:, None]).mean(axis=1) + 0.5 * (wrong == true[:, None]).mean(axis=1)
    counted = resample(groups) * weight
    return with_interval(float(np.average(lower, weights=weight)), counted @ lower / counted.sum(axis=1))
