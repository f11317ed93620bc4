"""The noise ceiling: scores that a perfect model could reach, given the noise of the measurements."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ppi.errors import InputError
from ppi.metrics import METRICS

#: Replicates that differ by less than this, which is rounding, are copies of one measurement.
COPY_SD = 1e-6
_SIMULATIONS = 50


class ReplicateNoise(NamedTuple):
    """The noise of one measurement, from repeated measurements.

    Attributes
    ----------
    groups
        Number of complexes with at least two measurements.
    sd
        Pooled standard deviation of one measurement, in pKd units.
    copies
        Number of groups whose measurements are all the same: most are one measurement that two collections
        list.
    sd_without_copies
        Like `sd`, for the other groups; NaN if there are none.
    """

    groups: int
    sd: float
    copies: int
    sd_without_copies: float


def replicate_noise(columns: pd.DataFrame) -> ReplicateNoise | None:
    """Pool the variance of replicates.

    ``s^2 = sum((n_i - 1) s_i^2) / sum(n_i - 1)`` over the complexes with ``n_i >= 2`` measurements.

    Parameters
    ----------
    columns
        Columns with ``pkd_sd``, the sample standard deviation, and ``n_replicates``.

    Returns
    -------
    ReplicateNoise or None
        None if a column, or any repeated measurement, is absent.

    Raises
    ------
    InputError
        If a column has a value that is not a number.
    """
    needed = ("pkd_sd", "n_replicates")
    if not set(needed) <= set(columns):
        return None
    for name in needed:
        if not pd.api.types.is_numeric_dtype(columns[name]):
            raise InputError(f"the column {name} contains text; give numbers or empty cells")
    repeated = columns[(columns["n_replicates"] >= 2) & columns["pkd_sd"].notna()]
    sd, degrees = repeated["pkd_sd"].to_numpy(float), repeated["n_replicates"].to_numpy(float) - 1
    if not len(sd):
        return None
    differ = sd > COPY_SD
    return ReplicateNoise(
        len(sd), _pooled(sd, degrees), int((~differ).sum()), _pooled(sd[differ], degrees[differ])
    )


def label_noise(columns: pd.DataFrame, sd: float, *, copies: bool) -> np.ndarray:
    """Return the ``(N,)`` standard error of each label, ``sd / sqrt(n)``, in pKd units.

    Parameters
    ----------
    columns
        Columns with ``pkd_sd`` and ``n_replicates``.
    sd
        Standard deviation of one measurement.
    copies
        Whether measurements that are all the same count as ``n``, or as one that was copied.
    """
    count: np.ndarray = columns["n_replicates"].fillna(1).clip(lower=1).to_numpy(float)
    if not copies:
        count = np.where(columns["pkd_sd"] > COPY_SD, count, 1.0)
    return sd / np.sqrt(count)


def noise_ceiling(measured: np.ndarray, noise: np.ndarray, *, seed: int = 0) -> dict[str, Any]:
    """Return the scores of a model that knows the true pKd of each complex.

    With labels ``y = t + e`` of noise variance ``v = mean(noise^2)``, the reliability is
    ``1 - v / var(y)``. Errors end at ``RMSE = sqrt(v)`` and, for normal noise,
    ``MAE = sqrt(2 / pi) mean(noise)``; ``R2`` at the reliability, and Pearson at its square root: the
    attenuation formula (Spearman 1904, Am. J. Psychol. 15:72; for affinities: Brown et al. 2009, Drug
    Discov. Today 14:420). Rank correlations have no such formula and are simulated: the labels are shrunk
    to their mean until their variance is that of the truth, noise is added, and the two are compared.

    Parameters
    ----------
    measured
        ``(N,)`` pKd.
    noise
        ``(N,)`` standard error of each, in pKd units.
    seed
        Seed of the simulation.

    Returns
    -------
    dict
        ``reliability`` and one value for each of `ppi.metrics.METRICS`.
    """
    variance = float(np.mean(noise**2))
    spread = float(np.var(measured))
    reliability = max(0.0, 1 - variance / spread) if spread > 0 else 0.0
    truth = measured.mean() + np.sqrt(reliability) * (measured - measured.mean())
    random = np.random.default_rng(seed)
    labels = [truth + noise * random.standard_normal(len(truth)) for _ in range(_SIMULATIONS)]
    ranks = {
        name: float(np.mean([METRICS[name](again, truth) for again in labels]))
        for name in ("spearman", "kendall")
    }
    return {
        "reliability": reliability,
        **ranks,
        "pearson": float(np.sqrt(reliability)),
        "rmse": float(np.sqrt(variance)),
        "mae": float(np.sqrt(2 / np.pi) * np.mean(noise)),
        "r2": reliability,
    }


def _pooled(sd: np.ndarray, degrees: np.ndarray) -> float:
    if not len(sd):
        return float("nan")
    return float(np.sqrt(np.sum(degrees * sd**2) / np.sum(degrees)))
