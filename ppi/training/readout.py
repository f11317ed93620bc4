"""Fit the read-out of a model to the pooled vectors of the training complexes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing

import numpy as np
import pandas as pd

from ppi.complexes import Complex
from ppi.embedding.cache import EmbeddingCache
from ppi.errors import InputError
from ppi.evaluation.partners import draw_partners
from ppi.io.tables import ComplexTable
from ppi.models.affinity import AffinityModel
from ppi.models.readouts.base import Pooled
from ppi.models.readouts.descriptors import described_sides
from ppi.prediction.engine import pooled_vectors
from ppi.training.data import row_groups, row_weights
from ppi.training.settings import TrainSettings

#: Number of wrong partners per true pair.
_WRONG = 4


def fit_readout(
    model: AffinityModel,
    part: ComplexTable,
    labels: np.ndarray,
    settings: TrainSettings,
    *,
    device: str,
    store: str | os.PathLike[str] | None,
) -> None:
    """Fit the read-out of a model that has one, and remove the network of its head.

    Parameters
    ----------
    model
        Model whose head is trained or has no parameters. It is changed and moved to the device.
    part
        Training complexes.
    labels
        ``(N,)`` pKd of the training complexes.
    settings
        Settings of the run; `balance` is the column of the groups whose complexes share a weight.
    device, store
        See `ppi.prediction.engine.predict_members`.

    Raises
    ------
    ppi.errors.PpiError
        If a complex is over the backbone's limit, or the column of the groups is missing.
    """
    assert model.readout is not None
    model.head.drop_read_out()
    group, _ = row_groups(part, settings)
    model.eval().to(device)
    with closing(EmbeddingCache(model.backbone, device, store=store)) as cache:

        def pooled(complexes: Sequence[Complex]) -> Pooled:
            vectors = pooled_vectors(model, complexes, cache, truncate=settings.truncate)
            return Pooled(vectors, described_sides(complexes))

        model.readout.fit(
            pooled(part.complexes),
            labels,
            row_weights(part),
            np.bincount(group)[group],
            members=model.config.members,
            seed=settings.seed,
        )
        if model.config.partner_score:
            true, wrong = partner_pairs(part, seed=settings.seed)
            model.readout.fit_partners(pooled(true), pooled(wrong), seed=settings.seed)


def partner_pairs(part: ComplexTable, *, seed: int) -> tuple[list[Complex], list[Complex]]:
    """Return one true pair per PDB entry, and for each of them some randomly paired sides.

    Parameters
    ----------
    part
        Training complexes.
    seed
        Seed of the draw; see `ppi.evaluation.partners.draw_partners`.

    Raises
    ------
    InputError
        If a complex has no wrong partner among the others; the message says how to train without.
    """
    entries = part.columns["pdb"] if "pdb" in part.columns else pd.Series(np.arange(len(part)))
    first = ~entries.duplicated().to_numpy() | entries.isna().to_numpy()
    one_each = part.rows(first.tolist())
    true = one_each.complexes
    try:
        drawn = draw_partners(one_each, count=_WRONG, seed=seed)
    except InputError as error:
        raise InputError(
            f"{error}, or train without a partner score (--no-partner-score); for variants of one complex, "
            "there is `ppi adapt`"
        ) from error
    wrong = [
        Complex(f"{item.id}-{lender}", item.ligand, true[lender].receptor)
        for item, lenders in zip(true, drawn, strict=True)
        for lender in lenders
    ]
    return true, wrong
