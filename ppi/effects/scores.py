"""How well effects of mutations are ranked within a structure and over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ppi.metrics import pearson, spearman

#: Fewest variants of a structure within which a ranking counts.
FEWEST = 10
RESAMPLES = 1000


class EffectScore(NamedTuple):
    """Scores of predicted effects.

    Attributes
    ----------
    within
        Mean over structures of the Spearman correlation of their variants.
    lower, upper
        95 % percentile bootstrap interval of `within`, over structures.
    structures
        Number of structures that count.
    spearman, pearson
        Over all variants.
    """

    within: float
    lower: float
    upper: float
    structures: int
    spearman: float
    pearson: float


def score_effects(
    structures: Sequence[str], measured: np.ndarray, predicted: np.ndarray, *, seed: int = 0
) -> EffectScore:
    """Compare predicted with measured effects.

    Parameters
    ----------
    structures
        Structure of each variant; those of fewer than `FEWEST` variants count only in the pooled scores.
    measured, predicted
        ``(N,)`` in any unit that rises with ddG.
    seed
        Seed of the bootstrap.
    """
    table = pd.DataFrame({"structure": list(structures), "measured": measured, "predicted": predicted})
    within = np.array(
        [
            spearman(group["measured"].to_numpy(), group["predicted"].to_numpy())
            if group["predicted"].nunique() > 1
            else 0.0
            for _, group in table.groupby("structure")
            if len(group) >= FEWEST
        ]
    )
    drawn = np.random.default_rng(seed).integers(len(within), size=(RESAMPLES, len(within)))
    lower, upper = np.percentile(within[drawn].mean(axis=1), [2.5, 97.5])
    return EffectScore(
        float(within.mean()),
        float(lower),
        float(upper),
        len(within),
        spearman(measured, predicted),
        pearson(measured, predicted),
    )


def interface_auroc(truth: Sequence[np.ndarray], predicted: Sequence[np.ndarray]) -> float:
    """Return the area under the ROC curve of interface residues of one complex, both sides together.

    Parameters
    ----------
    truth, predicted
        ``(L, 10)`` location of each side; the first column counts.
    """
    labels, scores = (np.concatenate([side[:, 0] for side in sides]) for sides in (truth, predicted))
    ranks = pd.Series(scores).rank().to_numpy()
    positive = labels > 0.5
    count, rest = positive.sum(), (~positive).sum()
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * rest))
