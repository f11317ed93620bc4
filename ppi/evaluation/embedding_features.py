"""The mean embeddings of the two sides of a complex, as features of baselines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import numpy as np
import torch

from heads.ragged import BOTH, LIGAND
from ppi.backbones.base import Unit
from ppi.complexes import Complex
from ppi.embedding.batching import budget_batches
from ppi.embedding.run import open_embeddings
from ppi.embedding.sources import UnitEmbeddings
from ppi.embedding.units import EncodedComplex, encode_complexes, unit_length
from ppi.models.affinity import AffinityModel
from ppi.prediction.engine import TOKEN_BUDGET


def mean_embeddings(
    model: AffinityModel,
    complexes: Sequence[Complex],
    *,
    device: str = "cpu",
    store: str | os.PathLike[str] | None = None,
) -> np.ndarray:
    """Return the mean residue embedding of the ligand beside that of the receptor.

    The units are those of the model, so that the embeddings of its training in the store are reused. Units
    over the backbone's limit are shortened.

    Parameters
    ----------
    model
        Model with the backbone.
    complexes
        ``N`` complexes.
    device, store
        See `ppi.prediction.engine.predict_members`.

    Returns
    -------
    ndarray
        ``(N, 2 D)`` float32.

    Raises
    ------
    ppi.errors.PpiError
        If the store or the backbone fails.
    """
    encoded, _ = encode_complexes(complexes, model.encoding_unit, model.backbone.max_residues, truncate=True)
    units = sorted({unit for item in encoded for unit in item.units})
    with open_embeddings(model.backbone.to(device), units, store=store, device=device) as embeddings:
        sums = _chain_sums(embeddings, units)
    return np.stack(
        [
            np.concatenate(_side_means(cut, len(item.ligand), sums))
            for item, cut in zip(complexes, encoded, strict=True)
        ]
    ).astype(np.float32)


def _chain_sums(embeddings: UnitEmbeddings, units: Sequence[Unit]) -> dict[Unit, np.ndarray]:
    """Return the ``(chains, D)`` sums over the residues of each chain of each unit."""
    sums = {}
    for batch in budget_batches([unit_length(unit) for unit in units], TOKEN_BUDGET):
        chosen = [units[index] for index in batch]
        lengths = torch.tensor([len(chain) for unit in chosen for chain in unit])
        totals = torch.segment_reduce(embeddings.rows(chosen), "sum", lengths=lengths)
        for unit, part in zip(chosen, totals.split([len(unit) for unit in chosen]), strict=True):
            sums[unit] = part.double().numpy()
    return sums


def _side_means(
    cut: EncodedComplex, ligand_chains: int, sums: dict[Unit, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``(D,)`` mean over the residues of the ligand, and of the receptor."""
    ligand, receptor = [], []
    for unit, role in zip(cut.units, cut.roles, strict=True):
        chains = [(sum_, len(chain)) for sum_, chain in zip(sums[unit], unit, strict=True)]
        # A complex is one unit, with its ligand first.
        first = ligand_chains if role == BOTH else len(chains) * (role == LIGAND)
        ligand += chains[:first]
        receptor += chains[first:]
    return _mean(ligand), _mean(receptor)


def _mean(chains: Iterable[tuple[np.ndarray, int]]) -> np.ndarray:
    totals, lengths = zip(*chains, strict=True)
    mean: np.ndarray = np.sum(totals, axis=0) / sum(lengths)
    return mean
