"""What is computed once for each side of a screen, and put together for its pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data_curation.files import atomic_file
from ppi.embedding.cache import EmbeddingCache
from ppi.io.sides import Side
from ppi.models.affinity import AffinityModel
from ppi.models.folder import TrainedModel
from ppi.prediction.anchoring import Anchors
from ppi.prediction.novelty import NoveltyIndex
from ppi.prediction.screening.familiarity import SideHits
from ppi.prediction.screening.scoring import JoiningScorer, OneByOneScorer, PairScorer, PooledSides
from ppi.prediction.screening.targets import Targets
from ppi.progress import progress_bar

#: How the names of saved arrays begin.
_POOLED, _HITS = "pooled.", "hits."


@dataclass(frozen=True)
class Parts:
    """What a `ppi.prediction.predictor.Predictor` gives to a screen.

    Attributes
    ----------
    trained, model
        As they were loaded, and in evaluation mode on the device.
    cache
        Embeddings of the backbone of the model.
    index
        Index of the training complexes of the model; None where novelty is not wanted, or not known.
    anchors
        Makes or returns the measured complexes from which predictions may start.
    """

    trained: TrainedModel
    model: AffinityModel
    cache: EmbeddingCache
    index: NoveltyIndex | None
    anchors: Callable[[], Anchors]


@dataclass(frozen=True)
class Prepared:
    """What is known of each distinct side, whatever its role.

    Attributes
    ----------
    ligands, receptors
        Which distinct side each ligand and each receptor is.
    pooled
        None for a model that looks at both sides of a pair together.
    hits
        None where novelty is not wanted.
    """

    ligands: np.ndarray
    receptors: np.ndarray
    pooled: PooledSides | None
    hits: SideHits | None

    def save(self, path: Path) -> None:
        """Write it to a file ``.npz``, or nothing."""
        parts = {_POOLED: self.pooled, _HITS: self.hits}
        arrays = {
            prefix + name: array
            for prefix, part in parts.items()
            if part is not None
            for name, array in part._asdict().items()
        }
        with atomic_file(path) as temporary:
            np.savez(temporary, ligands=self.ligands, receptors=self.receptors, **arrays)

    @classmethod
    def load(cls, path: Path) -> Prepared:
        """Read what `save` wrote."""
        with np.load(path) as file:
            pooled, hits = (
                {name.removeprefix(prefix): file[name] for name in file if name.startswith(prefix)}
                for prefix in (_POOLED, _HITS)
            )
            return cls(
                file["ligands"],
                file["receptors"],
                PooledSides(**pooled) if pooled else None,
                SideHits(**hits) if hits else None,
            )

    def scorer(self, parts: Parts, targets: Targets, *, truncate: bool) -> PairScorer:
        """Return what scores the pairs."""
        if self.pooled is not None:
            return JoiningScorer(parts.model, self.pooled, (self.ligands, self.receptors))
        sides = targets.ligands, targets.receptors
        return OneByOneScorer(parts.model, parts.cache, *sides, truncate=truncate)


def distinct_sides(sides: Iterable[Side]) -> tuple[list[Side], np.ndarray]:
    """Return sides of different chains, in order, and which of them each side is."""
    first: dict[tuple[str, ...], int] = {}
    kept: list[Side] = []
    numbers = []
    for side in sides:
        number = first.setdefault(side.chains, len(kept))
        if number == len(kept):
            kept.append(side)
        numbers.append(number)
    return kept, np.array(numbers)


def prepare(parts: Parts, targets: Targets, *, truncate: bool) -> Prepared:
    """Embed, pool and search each distinct side once.

    Parameters
    ----------
    parts, targets
        The model, and the sides.
    truncate
        Shorten what is over the backbone's limit.

    Raises
    ------
    ppi.errors.PpiError
        If a side is too long, or the model gives no finite numbers for it.
    """
    sides, numbers = distinct_sides([*targets.ligands, *targets.receptors])
    pooled = pool(parts, sides, truncate=truncate)
    with progress_bar("similar training complexes", len(sides), "sides") as advance:
        hits = search(parts, sides, advance)
    ligands, receptors = np.split(numbers, [len(targets.ligands)])
    return Prepared(ligands, receptors, pooled, hits)


def pool(parts: Parts, sides: Sequence[Side], *, truncate: bool) -> PooledSides | None:
    """Return what the read-out needs of sides; None for a model that looks at both sides of a pair."""
    if not parts.model.joins_sides:
        return None
    return PooledSides.of(parts.model, sides, parts.cache, truncate=truncate)


def search(parts: Parts, sides: Sequence[Side], advance: Callable[[int], None]) -> SideHits | None:
    """Return what of the training set sides resemble; None where that is not wanted."""
    if parts.index is None:
        return None
    hits = []
    for found in parts.index.of_sides(side.chains for side in sides):
        hits.append(SideHits.of(found))
        advance(1)
    return SideHits.collect(hits)
