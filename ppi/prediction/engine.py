"""Run a model over complexes: units once, batches by a token budget, input order kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ppi.complexes import Complex
from ppi.embedding.batching import budget_batches
from ppi.embedding.engine import EmbeddedUnits
from ppi.embedding.units import encode_complexes
from ppi.models.affinity import AffinityModel

#: Residues in a batch; more is not faster on a CPU.
TOKEN_BUDGET = 16_384


def predict_members(
    model: AffinityModel,
    complexes: Sequence[Complex],
    *,
    truncate: bool = False,
    device: str = "cpu",
    token_budget: int = TOKEN_BUDGET,
) -> tuple[np.ndarray, list[bool]]:
    """Predict with each member of the ensemble.

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
        complexes, model.encoding_unit, model.backbone.max_residues, truncate=truncate
    )
    model = model.eval().to(device)
    units = EmbeddedUnits(model.backbone, (u for item in encoded for u in item.units), token_budget)
    pkd = np.empty((model.config.members, len(encoded)))
    with torch.inference_mode():
        for batch in budget_batches([item.residues for item in encoded], token_budget):
            complexes_of_batch = units.gather([encoded[index] for index in batch])
            pkd[:, batch] = model(complexes_of_batch.to(device)).cpu().numpy()
    return pkd, truncated
