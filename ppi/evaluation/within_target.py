"""The ranking of mutants of one complex, which a correlation over all complexes does not show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ppi.evaluation.bootstrap import resample, with_interval
from ppi.metrics import spearman

#: Minimum number of complexes of a PDB entry for a series.
SMALLEST_SERIES = 8


def mutation_series(columns: pd.DataFrame, measured: np.ndarray) -> dict[str, np.ndarray]:
    """Return the rows of each PDB entry with at least `SMALLEST_SERIES` complexes, by its name.

    Parameters
    ----------
    columns
        Columns of the table; without ``pdb`` there is no series.
    measured
        ``(N,)`` pKd; an entry whose complexes all have the same cannot be ranked and is left out.
    """
    if "pdb" not in columns:
        return {}
    groups = columns.reset_index(drop=True).groupby("pdb", sort=True).indices
    return {
        str(name): np.asarray(rows)
        for name, rows in groups.items()
        if len(rows) >= SMALLEST_SERIES and np.ptp(measured[np.asarray(rows)]) > 0
    }


def score_series(
    measured: np.ndarray,
    predicted: np.ndarray,
    series: dict[str, np.ndarray],
    groups: np.ndarray | None = None,
) -> dict[str, Any]:
    """Score the ranking within each series.

    Parameters
    ----------
    measured, predicted
        ``(N,)`` pKd.
    series
        Result of `mutation_series`, not empty.
    groups
        ``(N,)`` the groups that the bootstrap draws; the group of a series is that of its first complex. By
        default each series is its own group.

    Returns
    -------
    dict
        ``count`` of series; ``mean`` and ``median`` of their Spearman, each with a 95 % interval of the
        bootstrap; ``share_positive``; ``series``: the Spearman of each entry and its n.
    """
    found = {name: spearman(measured[rows], predicted[rows]) for name, rows in series.items()}
    values = np.array([*found.values()])
    own = np.arange(len(values)) if groups is None else groups[[rows[0] for rows in series.values()]]
    draws = resample(own).astype(int)
    samples = [np.repeat(values, counts) for counts in draws]
    return {
        "count": len(values),
        "mean": with_interval(float(values.mean()), np.array([s.mean() for s in samples]))._asdict(),
        "median": with_interval(
            float(np.median(values)), np.array([np.median(s) for s in samples])
        )._asdict(),
        "share_positive": float(np.mean(values > 0)),
        "series": {name: {"n": len(series[name]), "spearman": value} for name, value in found.items()},
    }
