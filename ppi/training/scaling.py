"""The scale of the embeddings' columns, from training complexes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from heads.base import Head
from ppi.embedding.sources import UnitEmbeddings
from ppi.embedding.units import EncodedComplex
from ppi.models.affinity import AffinityModel

#: Training complexes, evenly spaced, whose residues give the means and standard deviations.
_COMPLEXES = 256


def fit_scaling(model: AffinityModel, embeddings: UnitEmbeddings, encoded: Sequence[EncodedComplex]) -> None:
    """Fit the column scaling of all heads to the embeddings of training complexes.

    A scaling that comes from the members of an upcycled ensemble is kept.

    Parameters
    ----------
    model
        Model with heads that are `standardised`; it is changed in place.
    embeddings
        Source of the embeddings; a backbone that is trained embeds as it does at the start.
    encoded
        The training complexes.
    """
    rows = np.unique(np.linspace(0, len(encoded) - 1, _COMPLEXES).round().astype(int))
    scalings = [scaling for head in model.heads if (scaling := cast(Head, head).scaling) is not None]
    if scalings[0].fitted:
        return
    scalings[0].fit(embeddings.gather([encoded[row]]).values for row in rows)
    for scaling in scalings[1:]:
        scaling.load_state_dict(scalings[0].state_dict())
