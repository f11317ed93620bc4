"""The partner score: trees that distinguish true pairs from wrong ones."""

from __future__ import annotations

import numpy as np

from ppi.models.forest import Forest

_TREES = 300
_LEAF = 2
_COLUMNS = 0.3


def fit_partners(true: np.ndarray, wrong: np.ndarray, *, seed: int) -> Forest:
    """Fit trees that predict the fraction of true pairs among similar pairs.

    True and wrong pairs have the same total weight, so that 0.5 means that both are equally likely.

    Parameters
    ----------
    true, wrong
        ``(N, F)`` and ``(K, F)`` features of pairs; see `ppi.models.readouts.features.Features`.
    seed
        Seed of the trees.
    """
    from sklearn.ensemble import ExtraTreesRegressor

    labels = np.repeat([1.0, 0.0], [len(true), len(wrong)])
    weights = np.repeat([0.5 / len(true), 0.5 / len(wrong)], [len(true), len(wrong)])
    model = ExtraTreesRegressor(
        _TREES, min_samples_leaf=_LEAF, max_features=_COLUMNS, random_state=seed, n_jobs=-1
    )
    model.fit(np.concatenate([true, wrong]), labels, sample_weight=weights * len(labels))
    return Forest.from_trees(model.estimators_)
