"""How much a variant is worth measuring, by its own mean and standard deviation.

Expected improvement is that of Mockus (1978) and Jones et al. (J. Glob. Optim. 1998).
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from scipy.stats import norm

from ppi.errors import InputError

Acquisition = Literal["expected-improvement", "upper-bound", "thompson"]
#: Standard deviations above the mean at which the upper bound is.
BOUND_SDS = 2.0


def check_acquisition(name: str) -> Acquisition:
    """Return the acquisition of a name.

    Raises
    ------
    InputError
        If there is none.
    """
    for known in get_args(Acquisition):
        if name == known:
            found: Acquisition = known
            return found
    raise InputError(
        f"there is no acquisition {name!r}; the acquisitions are {', '.join(get_args(Acquisition))}"
    )


def expected_improvement(mean: np.ndarray, std: np.ndarray, best: float) -> np.ndarray:
    """Return the ``(N,)`` expected improvements over `best`, in the unit of the values.

    Parameters
    ----------
    mean, std
        ``(N,)`` of normal distributions; a standard deviation may be zero.
    best
        The value to improve on.
    """
    above = mean - best
    scale = np.maximum(std, 1e-12)
    score: np.ndarray = above * norm.cdf(above / scale) + scale * norm.pdf(above / scale)
    return np.maximum(score, 0.0)


def upper_bound(mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """Return the ``(N,)`` upper bounds: the mean and `BOUND_SDS` standard deviations."""
    return mean + BOUND_SDS * std


def marginal_scores(by: Acquisition, mean: np.ndarray, std: np.ndarray, best: float) -> np.ndarray:
    """Return the ``(N,)`` worth of each variant without regard to the others.

    Thompson sampling has none of its own: the variants that a draw may make the best have high upper bounds.
    """
    if by == "expected-improvement":
        return expected_improvement(mean, std, best)
    return upper_bound(mean, std)
