"""A complex of which any residues can be replaced by the average one, between backbone and head."""

from __future__ import annotations

import numpy as np
import torch

from heads.ragged import RaggedBatch
from ppi.complexes import AMINO_ACIDS, Complex
from ppi.embedding.cache import EmbeddingCache
from ppi.embedding.units import encode_complexes
from ppi.explain.reference import AverageResidue
from ppi.models.affinity import AffinityModel
from ppi.models.readouts.base import Pooled
from ppi.models.readouts.descriptors import described_sides

#: Residues in a batch of the heads.
_TOKEN_BUDGET = 16_384


class MaskedComplex:
    """Predicts one complex with some of its residues replaced by the average residue.

    What is replaced is the embedding of a residue, which the backbone made of the unchanged sequence, and
    its share in the composition of its side. The lengths of the chains stay as they are.

    Parameters
    ----------
    model
        In evaluation mode, on the device of the cache.
    item
        The complex.
    average
        What stands for a residue that is replaced.
    cache
        Embeddings of the model's backbone.

    Raises
    ------
    InputError
        If the complex is over the backbone's limit.
    """

    def __init__(
        self, model: AffinityModel, item: Complex, average: AverageResidue, cache: EmbeddingCache
    ) -> None:
        encoded, _ = encode_complexes(
            [item], model.encoding_unit, model.backbone.max_residues, both_orders=model.both_orders
        )
        self._model, self._item = model, item
        self._batch = cache.units(encoded[0].units).gather(encoded).to(cache.device)
        self._average = average.embedding.to(cache.device)
        # Both orders of the sides of one complex: each residue has two rows.
        ligand = sum(map(len, item.ligand))
        order = np.arange(self.residues)
        self.rows = np.concatenate([order, np.roll(order, -ligand)]) if model.both_orders else order
        self._excess = _excess(item, average.composition)

    @property
    def residues(self) -> int:
        """Residues of all chains, ligand first."""
        return sum(map(len, self._item.chains))

    @property
    def batch(self) -> RaggedBatch:
        """The complex as the backbone gives it."""
        return self._batch

    def predict(self, kept: np.ndarray) -> np.ndarray:
        """Return the ``(S,)`` pKd, the mean over the members, of several states of the complex.

        Parameters
        ----------
        kept
            ``(S, L)`` bool: which residues are kept in each state, ligand first.
        """
        size = max(1, _TOKEN_BUDGET // len(self.rows))
        return np.concatenate(
            [self._predict(kept[start : start + size]) for start in range(0, len(kept), size)]
        )

    @torch.inference_mode()
    def _predict(self, kept: np.ndarray) -> np.ndarray:
        states, layout = len(kept), self._batch.layout
        units = len(layout.unit_role)
        present = torch.from_numpy(kept[:, self.rows]).to(self._batch.values.device)
        values = torch.where(present[..., None], self._batch.values, self._average)
        batch = RaggedBatch.from_units(
            values.flatten(0, 1),
            layout.units.lengths * states,
            np.repeat(np.arange(states), units).tolist(),
            layout.unit_role * states,
            None if layout.units.chains is None else layout.units.chains * states,
        )
        if self._model.readout is None:
            return self._model(batch).pkd.double().mean(dim=0).cpu().numpy()
        vectors = self._model.head.represent(batch).float().cpu().numpy()
        return self._model.readout.predict(Pooled(vectors, self._described(kept))).mean(axis=0)

    def _described(self, kept: np.ndarray) -> np.ndarray:
        described = np.repeat(described_sides([self._item]), len(kept), axis=0)
        gone = (~kept).astype(np.float64)
        described[..., : len(AMINO_ACIDS)] -= np.einsum("sl,lkc->skc", gone, self._excess)
        return described


def _excess(item: Complex, composition: np.ndarray) -> np.ndarray:
    """Return ``(L, 2, 20)``: what each residue adds to the composition of its side beyond the average."""
    found = []
    for number, side in enumerate((item.ligand, item.receptor)):
        text = "".join(side)
        own = np.zeros((len(text), 2, len(AMINO_ACIDS)))
        kinds = np.array([[letter == other for other in AMINO_ACIDS] for letter in text], dtype=np.float64)
        own[:, number] = (kinds - composition) / len(text)
        found.append(own)
    return np.concatenate(found)
