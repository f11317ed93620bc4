"""Run a model over complexes: units once, batches by a token budget, input order kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from ppi.complexes import Complex
from ppi.embedding.batching import budget_batches
from ppi.embedding.run import open_embeddings
from ppi.embedding.units import encode_complexes
from ppi.models.affinity import AffinityModel

#: Residues in a batch of the heads; more is not faster on a CPU.
TOKEN_BUDGET = 16_384


class MemberPredictions(NamedTuple):
    """What the members of an ensemble say of ``N`` complexes.

    Attributes
    ----------
    pkd
        ``(M, N)``: one row a member, one column a complex, in input order.
    noise
        ``(M, N)`` predicted standard deviation of what is measured; NaN for heads that do not give one.
    truncated
        Which complexes were shortened.
    """

    pkd: np.ndarray
    noise: np.ndarray
    truncated: list[bool]

    @property
    def mean(self) -> np.ndarray:
        """``(N,)`` mean over the members."""
        return self.pkd.mean(axis=0)

    @property
    def spread(self) -> np.ndarray:
        """``(N,)`` standard deviation of the prediction, in pKd units; NaN where nothing is known of it.

        The variance between the members (more than one), plus the mean of the variances that they give.
        """
        between = self.pkd.var(axis=0, ddof=1) if len(self.pkd) > 1 else np.full(self.pkd.shape[1], np.nan)
        within = (self.noise**2).mean(axis=0)
        known = np.isfinite([between, within])
        total: np.ndarray = np.where(known, [between, within], 0).sum(axis=0)
        return np.where(known.any(axis=0), np.sqrt(total), np.nan)


def predict_members(
    model: AffinityModel,
    complexes: Sequence[Complex],
    *,
    truncate: bool = False,
    device: str = "cpu",
    store: str | os.PathLike[str] | None = None,
) -> MemberPredictions:
    """Predict with each member of the ensemble.

    Parameters
    ----------
    model
        Moved to the device.
    complexes
        What to predict.
    truncate
        Shorten complexes over the backbone's limit instead of refusing them.
    device
        ``cpu``, ``cuda`` or ``cuda:N``.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.

    Raises
    ------
    ppi.errors.InputError
        If a complex is over the backbone's limit and `truncate` is off.
    """
    encoded, truncated = encode_complexes(
        complexes,
        model.encoding_unit,
        model.backbone.max_residues,
        truncate=truncate,
        both_orders=model.both_orders,
    )
    model = model.eval().to(device)
    units = [unit for item in encoded for unit in item.units]
    pkd, noise = np.empty((2, model.config.members, len(encoded)))
    with open_embeddings(model.backbone, units, store=store, device=device) as embeddings:
        for batch in budget_batches([item.residues for item in encoded], TOKEN_BUDGET):
            complexes_of_batch = embeddings.gather([encoded[index] for index in batch])
            with torch.inference_mode():
                outputs = model(complexes_of_batch.to(device))
            pkd[:, batch], noise[:, batch] = (part.float().cpu().numpy() for part in outputs)
    return MemberPredictions(pkd, noise, truncated)
