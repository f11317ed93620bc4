"""Shapley values of residues: what each adds to a prediction, on average over the orders of adding them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

#: Predicts ``(S,)`` from ``(S, L)`` bool: which residues are kept in each state.
Predict = Callable[[np.ndarray], np.ndarray]


class Attribution(NamedTuple):
    """How a prediction is made up of ``L`` residues.

    Attributes
    ----------
    reference
        Prediction with every residue replaced by the average one.
    prediction
        Prediction of the complex: `reference` plus the sum of `values`.
    values
        ``(L,)`` what each residue adds.
    errors
        ``(L,)`` their standard errors, by the orders that were drawn.
    """

    reference: float
    prediction: float
    values: np.ndarray
    errors: np.ndarray


def shapley_values(
    predict: Predict,
    residues: int,
    *,
    window: int,
    orders: int,
    seed: int,
    advance: Callable[[int], None] | None = None,
) -> Attribution:
    """Estimate Shapley values from random orders, each with its reverse (Mitchell et al. 2022).

    Neighbours are added together, as windows whose bounds are drawn again for every order, and share what
    their window adds. In every order the changes add up to the whole difference, and so do their means.

    Parameters
    ----------
    predict
        The function whose Shapley values are estimated.
    residues
        ``L``.
    window
        Residues of a window.
    orders
        How many orders are drawn, not counting the reverses; two or more.
    seed
        Seed of the orders.
    advance
        Called with 1 after each order, for a progress bar.
    """
    generator = np.random.default_rng(seed)
    found = np.empty((orders, residues))
    for number in range(orders):
        windows = (np.arange(residues) + generator.integers(window)) // window
        windows -= windows[0]
        sizes = np.bincount(windows)
        order = generator.permutation(len(sizes))
        changes = np.zeros(len(sizes))
        for way in (order, order[::-1]):
            rank = np.empty_like(way)
            rank[way] = np.arange(len(way))
            # State k: the first k windows are kept.
            kept = rank[windows] < np.arange(len(way) + 1)[:, None]
            predictions = predict(kept)
            changes[way] += np.diff(predictions) / 2
        found[number] = (changes / sizes)[windows]
        if advance is not None:
            advance(1)
    errors = found.std(axis=0, ddof=1) / np.sqrt(orders)
    return Attribution(float(predictions[0]), float(predictions[-1]), found.mean(axis=0), errors)
