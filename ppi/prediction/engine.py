"""Run a model over complexes: each unit once, batches by a token budget, input order kept."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

import numpy as np
import torch

from heads.ragged import RaggedBatch
from ppi.backbones.base import Unit
from ppi.complexes import Complex
from ppi.embedding.batching import budget_batches
from ppi.embedding.cache import EmbeddingCache
from ppi.embedding.units import EncodedComplex, encode_complexes, unit_length
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
    partner
        ``(N,)`` whether the sides look like partners, 0 to 1; NaN where the model has not learnt that.
    truncated
        Which complexes were shortened.
    """

    pkd: np.ndarray
    noise: np.ndarray
    partner: np.ndarray
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
    """Predict with each member of the ensemble, over embeddings that are forgotten afterwards but for the
    store.

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
    ppi.errors.ModelError
        If a prediction is not finite.
    """
    model = model.eval().to(device)
    with closing(EmbeddingCache(model.backbone, device, store=store)) as cache:
        return predict_with(model, complexes, cache, truncate=truncate)


def predict_with(
    model: AffinityModel, complexes: Sequence[Complex], cache: EmbeddingCache, *, truncate: bool = False
) -> MemberPredictions:
    """Predict with each member of the ensemble, over the embeddings of a cache.

    Parameters
    ----------
    model
        In evaluation mode, on the device of the cache.
    complexes, truncate
        See `predict_members`.
    cache
        Embeddings of the backbone of the model.

    Raises
    ------
    ppi.errors.InputError, ppi.errors.ModelError
        As `predict_members` raises them.
    """
    encoded, truncated = _encoded(model, complexes, truncate)
    pkd, noise = np.empty((2, model.config.members, len(encoded)))
    partner = np.empty(len(encoded))
    for rows, batch in embedded_batches(encoded, cache):
        with torch.inference_mode():
            outputs = model.predict(batch, [complexes[row] for row in rows])
        found = (output.double().cpu().numpy() for output in outputs)
        pkd[:, rows], noise[:, rows], partner[rows] = found
    return MemberPredictions(pkd, noise, partner, truncated)


def pooled_vectors(
    model: AffinityModel, complexes: Sequence[Complex], cache: EmbeddingCache, *, truncate: bool = False
) -> np.ndarray:
    """Return ``(N, S, W)`` float32: what the first head pools of each complex.

    Parameters
    ----------
    model, complexes, cache, truncate
        See `predict_with`.

    Raises
    ------
    ppi.errors.InputError
        If a complex is over the backbone's limit and `truncate` is off.
    """
    encoded, _ = _encoded(model, complexes, truncate)
    found: np.ndarray | None = None
    for rows, batch in embedded_batches(encoded, cache):
        with torch.inference_mode():
            vectors = model.head.represent(batch).float().cpu().numpy()
        if found is None:
            found = np.empty((len(encoded), *vectors.shape[1:]), dtype=np.float32)
        found[rows] = vectors
    assert found is not None, "there is nothing to pool"
    return found


def units_of_complexes(
    model: AffinityModel, complexes: Sequence[Complex], *, truncate: bool = False
) -> list[Unit]:
    """Return the distinct units that the backbone of a model reads of complexes; see `predict_with`."""
    encoded, _ = _encoded(model, complexes, truncate)
    return list(dict.fromkeys(unit for item in encoded for unit in item.units))


def _encoded(
    model: AffinityModel, complexes: Sequence[Complex], truncate: bool
) -> tuple[list[EncodedComplex], list[bool]]:
    return encode_complexes(
        complexes,
        model.encoding_unit,
        model.backbone.max_residues,
        truncate=truncate,
        both_orders=model.both_orders,
    )


def embedded_batches(
    encoded: Sequence[EncodedComplex], cache: EmbeddingCache
) -> Iterator[tuple[list[int], RaggedBatch]]:
    """Return batches on the device of the cache, with the numbers of their complexes."""
    for part in _parts(encoded, cache):
        embeddings = cache.units(unit for index in part for unit in encoded[index].units)
        for batch in budget_batches([encoded[index].residues for index in part], TOKEN_BUDGET):
            rows = [part[place] for place in batch]
            yield rows, embeddings.gather([encoded[index] for index in rows]).to(cache.device)


def _parts(encoded: Sequence[EncodedComplex], cache: EmbeddingCache) -> Iterator[list[int]]:
    """Cut complexes, in order, into parts whose distinct units fit half of the memory of the cache."""
    most = cache.memory_bytes // (2 * 4 * cache.backbone.dim)
    part: list[int] = []
    units: set[tuple[str, ...]] = set()
    residues = 0
    for index, item in enumerate(encoded):
        new = set(item.units) - units
        more = sum(map(unit_length, new))
        if part and residues + more > most:
            yield part
            part, units, residues, new = [], set(), 0, set(item.units)
            more = sum(map(unit_length, new))
        part.append(index)
        units |= new
        residues += more
    if part:
        yield part
