"""Fit the read-out of a model to what its head pools of the training complexes."""

from __future__ import annotations

import os
from contextlib import closing

import numpy as np

from ppi.embedding.cache import EmbeddingCache
from ppi.io.tables import ComplexTable
from ppi.models.affinity import AffinityModel
from ppi.models.readouts.base import Pooled
from ppi.models.readouts.descriptors import described_sides
from ppi.prediction.engine import pooled_vectors
from ppi.training.data import row_groups, row_weights
from ppi.training.settings import TrainSettings


def fit_readout(
    model: AffinityModel,
    part: ComplexTable,
    labels: np.ndarray,
    settings: TrainSettings,
    *,
    device: str,
    store: str | os.PathLike[str] | None,
) -> None:
    """Fit the read-out of a model that has one; the network of its head is dropped.

    Parameters
    ----------
    model
        With a trained head, or one that has nothing to learn; changed in place, and moved to the device.
    part
        Training complexes.
    labels
        ``(N,)`` their pKd.
    settings
        Of the run: its `balance` says which complexes share the weight of a group.
    device, store
        See `ppi.prediction.engine.predict_members`.

    Raises
    ------
    ppi.errors.PpiError
        If a complex is over the backbone's limit, or the groups that the settings name are not known.
    """
    assert model.readout is not None
    model.head.drop_read_out()
    model.eval().to(device)
    with closing(EmbeddingCache(model.backbone, device, store=store)) as cache:
        vectors = pooled_vectors(model, part.complexes, cache, truncate=settings.truncate)
    group, _ = row_groups(part, settings)
    model.readout.fit(
        Pooled(vectors, described_sides(part.complexes)),
        labels,
        row_weights(part),
        np.bincount(group)[group],
        members=model.config.members,
        seed=settings.seed,
    )
