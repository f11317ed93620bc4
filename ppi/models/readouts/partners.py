"""Whether two sides are partners at all: trees that tell true pairs from wrong ones."""

from __future__ import annotations

import numpy as np

from ppi.models.forest import Forest

_TREES = 300
_LEAF = 2
_COLUMNS = 0.3


def fit_partners(true: np.ndarray, wrong: np.ndarray, *, seed: int) -> Forest:
    """Fit trees whose prediction is the part of true pairs among pairs like this one.

    True and wrong pairs weigh alike in all, so that 0.5 says that either is as likely.

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
