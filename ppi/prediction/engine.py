"""Run a model over complexes: units once, batches by a token budget, input order kept."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch

from ppi.complexes import Complex
from ppi.embedding.batching import budget_batches
from ppi.embedding.run import open_embeddings
from ppi.embedding.units import encode_complexes
from ppi.models.affinity import AffinityModel

#: Residues in a batch of the heads; more is not faster on a CPU.
TOKEN_BUDGET = 16_384


def predict_members(
    model: AffinityModel,
    complexes: Sequence[Complex],
    *,
    truncate: bool = False,
    device: str = "cpu",
    store: str | os.PathLike[str] | None = None,
) -> tuple[np.ndarray, list[bool]]:
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

    Returns
    -------
    pkd
        ``(M, N)``: one row a member, one column a complex, in input order.
    truncated
        Which complexes were shortened.

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
    pkd = np.empty((model.config.members, len(encoded)))
    with open_embeddings(model.backbone, units, store=store, device=device) as embeddings:
        for batch in budget_batches([item.residues for item in encoded], TOKEN_BUDGET):
            complexes_of_batch = embeddings.gather([encoded[index] for index in batch])
            with torch.inference_mode():
                pkd[:, batch] = model(complexes_of_batch.to(device)).cpu().numpy()
    return pkd, truncated
