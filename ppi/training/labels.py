"""The scale of labels: what a model learns in, and how scores that only rank become pKd."""

from __future__ import annotations

from typing import cast

import numpy as np

from heads.base import Head
from ppi.errors import TrainingError
from ppi.models.affinity import AffinityModel


def label_scale(labels: np.ndarray, draws: np.ndarray) -> tuple[float, float]:
    """Return the mean and the standard deviation of labels, each weighted by how often it is drawn."""
    mean = float(np.average(labels, weights=draws))
    return mean, float(np.sqrt(np.average((labels - mean) ** 2, weights=draws)))


def scale_to_labels(model: AffinityModel, predicted: np.ndarray, labels: np.ndarray) -> None:
    """Scale scores that were trained only by ranking to pKd, with a least-squares line for each member.

    Parameters
    ----------
    model
        Model, which is changed in place.
    predicted
        ``(M, N)`` scores of the complexes by each member.
    labels
        ``(N,)`` pKd of the complexes.

    Raises
    ------
    TrainingError
        If the scores of a member do not increase with the labels.
    """
    mean, std = model.config.label_mean, model.config.label_std
    for number, scores in enumerate(predicted):
        slope, intercept = np.polyfit(scores, labels, 1) if np.ptp(scores) > 0 else (0.0, 0.0)
        if slope <= 0:
            raise TrainingError(
                f"member {number + 1} does not rank its own training complexes; add a regression loss (mse, "
                "huber or gaussian) to the ranking loss"
            )
        head = cast(Head, model.heads[number])
        head.rescale(float(slope), float((slope * mean + intercept - mean) / std))
