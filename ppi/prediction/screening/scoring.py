"""The model over pairs of sides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from heads.ragged import LIGAND
from ppi.backbones.base import Unit
from ppi.complexes import Complex
from ppi.embedding.cache import EmbeddingCache
from ppi.embedding.units import EncodedComplex, encode_complexes
from ppi.io.sides import Side
from ppi.models.affinity import AffinityModel
from ppi.models.readouts.descriptors import described_sides
from ppi.models.readouts.features import Features
from ppi.prediction.engine import MemberPredictions, embedded_batches, predict_with


class PairScores(NamedTuple):
    """What the model says of ``N`` pairs, one array each; see `ppi.prediction.engine.MemberPredictions`."""

    mean: np.ndarray
    spread: np.ndarray
    partner: np.ndarray
    truncated: np.ndarray


class PairScorer(ABC):
    """Scores pairs of the sides of a screen; safe to use from several threads."""

    #: Pairs that are scored at once.
    at_once: int

    @abstractmethod
    def score(self, ligands: np.ndarray, receptors: np.ndarray) -> PairScores:
        """Return the scores of ``(N,)`` pairs, by the numbers of their sides."""


class PooledSides(NamedTuple):
    """What is left of ``S`` sides once the backbone has read them.

    Attributes
    ----------
    projected
        ``(S, C)`` float32: standardised principal components of what the head pools.
    described
        ``(S, 24)`` float64: see `ppi.models.readouts.descriptors.described_sides`.
    truncated
        ``(S,)`` whether a side was shortened.
    """

    projected: np.ndarray
    described: np.ndarray
    truncated: np.ndarray

    @classmethod
    def of(
        cls, model: AffinityModel, sides: Sequence[Side], cache: EmbeddingCache, *, truncate: bool
    ) -> PooledSides:
        """Embed and pool sides, each once.

        Raises
        ------
        InputError
            If a side is over the backbone's limit and `truncate` is off.
        ModelError
            If what is pooled is not finite.
        """
        encoded, truncated = _encoded(model, sides, truncate)
        alone = [_ligand_of(item) for item in encoded]
        projected: np.ndarray | None = None
        for rows, batch in embedded_batches(alone, cache):
            with torch.inference_mode():
                found = model.project_sides(batch)
            if projected is None:
                projected = np.empty((len(sides), found.shape[1]), dtype=np.float32)
            projected[rows] = found
        assert projected is not None, "there are no sides"
        return cls(projected, described_sides(_twice(sides))[:, 0], np.array(truncated))


class JoiningScorer(PairScorer):
    """Joins what is known of each side: for models whose `joins_sides` is true.

    Parameters
    ----------
    model
        In evaluation mode.
    sides
        Prepared sides of both roles.
    numbers
        By role, ligand first: which of `sides` each ligand and each receptor is.
    """

    at_once = 2048

    def __init__(
        self, model: AffinityModel, sides: PooledSides, numbers: tuple[np.ndarray, np.ndarray]
    ) -> None:
        self._model, self._sides, self._numbers = model, sides, numbers

    def score(self, ligands: np.ndarray, receptors: np.ndarray) -> PairScores:
        places = np.stack([self._numbers[0][ligands], self._numbers[1][receptors]], axis=1)
        features = Features.join(self._sides.projected[places], self._sides.described[places])
        with torch.inference_mode():
            found = self._model.predict_features(features)
        pkd, partner = found.pkd.double().numpy(), found.partner.double().numpy()
        # A read-out gives no noise: one row of NaN says as much as one for each member.
        members = MemberPredictions(pkd, np.full((1, len(features)), np.nan), partner, [])
        cut = self._sides.truncated[places].any(axis=1)
        return PairScores(members.mean, members.spread, members.partner, cut)


class OneByOneScorer(PairScorer):
    """Runs the head over each pair: for models that look at both sides together, or have no read-out.

    Parameters
    ----------
    model, cache
        See `ppi.prediction.engine.predict_with`.
    ligands, receptors
        The sides.
    truncate
        Shorten what is over the backbone's limit.
    """

    at_once = 256

    def __init__(
        self,
        model: AffinityModel,
        cache: EmbeddingCache,
        ligands: Sequence[Side],
        receptors: Sequence[Side],
        *,
        truncate: bool,
    ) -> None:
        self._model, self._cache, self._truncate = model, cache, truncate
        self._ligands, self._receptors = ligands, receptors

    def score(self, ligands: np.ndarray, receptors: np.ndarray) -> PairScores:
        complexes = [
            pair_of(self._ligands[ligand], self._receptors[receptor])
            for ligand, receptor in zip(ligands, receptors, strict=True)
        ]
        found = predict_with(self._model, complexes, self._cache, truncate=self._truncate)
        return PairScores(found.mean, found.spread, found.partner, np.array(found.truncated))


def pair_of(ligand: Side, receptor: Side) -> Complex:
    """Return the complex of two sides."""
    return Complex(f"{ligand.id}|{receptor.id}", ligand.chains, receptor.chains)


def check_lengths(model: AffinityModel, sides: Sequence[Side], *, truncate: bool) -> None:
    """Raise if a side is over the backbone's limit, before hours are spent on others.

    Raises
    ------
    InputError
        If a side is over the limit and `truncate` is off.
    """
    _encoded(model, sides, truncate)


def units_of(model: AffinityModel, sides: Sequence[Side], *, truncate: bool) -> list[Unit]:
    """Return the distinct units of sides, for a model whose backbone does not read both sides together."""
    encoded, _ = _encoded(model, sides, truncate)
    return list(dict.fromkeys(unit for item in encoded for unit in _ligand_of(item).units))


def _encoded(
    model: AffinityModel, sides: Sequence[Side], truncate: bool
) -> tuple[list[EncodedComplex], list[bool]]:
    limit = model.backbone.max_residues
    return encode_complexes(_twice(sides), model.encoding_unit, limit, truncate=truncate)


def _twice(sides: Sequence[Side]) -> list[Complex]:
    """Return each side as both sides of a complex, of which one is then taken."""
    return [Complex(side.id, side.chains, side.chains) for side in sides]


def _ligand_of(item: EncodedComplex) -> EncodedComplex:
    units = tuple(unit for unit, role in zip(item.units, item.roles, strict=True) if role == LIGAND)
    return EncodedComplex.of_sides(units, (LIGAND,) * len(units))
