"""The average residue of the training complexes: what a residue is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ppi.complexes import AMINO_ACIDS, Complex
from ppi.embedding.cache import EmbeddingCache
from ppi.embedding.units import encode_complexes
from ppi.errors import InputError
from ppi.models.affinity import AffinityModel

#: Training complexes from which the average is taken.
_COMPLEXES = 40


@dataclass(frozen=True)
class AverageResidue:
    """Mean over the residues of training complexes.

    Attributes
    ----------
    embedding
        ``(D,)`` float32.
    composition
        ``(20,)`` fraction of each amino acid, in the order of `ppi.complexes.AMINO_ACIDS`.
    """

    embedding: Tensor
    composition: np.ndarray

    @classmethod
    def of_training(
        cls, model: AffinityModel, training: Sequence[Complex], cache: EmbeddingCache, *, seed: int = 0
    ) -> AverageResidue:
        """Average over some training complexes, drawn at random.

        Raises
        ------
        InputError
            If there are no training complexes.
        """
        if not training:
            raise InputError(
                "the model was saved without its training complexes, so there is no average residue to "
                "compare with; train it again with this version"
            )
        chosen = np.random.default_rng(seed).permutation(len(training))[:_COMPLEXES]
        drawn = [training[number] for number in chosen]
        encoded, _ = encode_complexes(drawn, model.encoding_unit, model.backbone.max_residues, truncate=True)
        units = sorted({unit for item in encoded for unit in item.units})
        embedding = cache.units(units).rows(units).mean(dim=0)
        text = "".join(chain for item in drawn for chain in item.chains)
        counts = np.array([text.count(letter) for letter in AMINO_ACIDS], dtype=np.float64)
        return cls(embedding, counts / counts.sum())
