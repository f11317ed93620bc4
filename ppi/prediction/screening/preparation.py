"""What is computed once for each side of a screen, and put together for its pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_curation.files import atomic_file
from ppi.embedding.batching import budget_batches
from ppi.embedding.cache import EmbeddingCache
from ppi.engines.base import Engine, Resources
from ppi.io.sides import Side
from ppi.models.affinity import AffinityModel
from ppi.models.folder import TrainedModel
from ppi.prediction.anchoring import Anchors
from ppi.prediction.novelty import NoveltyIndex
from ppi.prediction.screening.familiarity import SideHits
from ppi.prediction.screening.scoring import (
    JoiningScorer,
    OneByOneScorer,
    PairScorer,
    PooledSides,
    check_lengths,
)
from ppi.prediction.screening.targets import Targets
from ppi.progress import progress_bar

#: Residues of the sides that are prepared, and kept for a resumed screen, together.
SIDE_RESIDUES = 16_384
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
    again
        Function without arguments that makes the same parts in another process; it can be pickled.
    """

    trained: TrainedModel
    model: AffinityModel
    cache: EmbeddingCache
    index: NoveltyIndex | None
    anchors: Callable[[], Anchors]
    again: Callable[[], Parts]

    def __reduce__(self) -> tuple[Callable[[], Parts], tuple[()]]:
        return self.again, ()


class Record(NamedTuple):
    """What is known of some distinct sides, whatever their role.

    Attributes
    ----------
    pooled
        None for a model that looks at both sides of a pair together.
    hits
        None where novelty is not wanted.
    """

    pooled: PooledSides | None
    hits: SideHits | None

    def save(self, path: Path) -> None:
        """Write it to a file ``.npz``, or nothing."""
        arrays = {
            prefix + name: array
            for prefix, part in zip((_POOLED, _HITS), self, strict=True)
            if part is not None
            for name, array in part._asdict().items()
        }
        with atomic_file(path) as temporary:
            np.savez(temporary, **arrays)

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read what `save` wrote."""
        with np.load(path) as file:
            pooled, hits = (
                {name.removeprefix(prefix): file[name] for name in file if name.startswith(prefix)}
                for prefix in (_POOLED, _HITS)
            )
            return cls(PooledSides(**pooled) if pooled else None, SideHits(**hits) if hits else None)

    @classmethod
    def joined(cls, records: Sequence[Record]) -> Record:
        """Return the records of sides one after another."""
        pooled, hits = zip(*records, strict=True)
        return cls(
            None if None in pooled else PooledSides(*map(np.concatenate, zip(*pooled, strict=True))),
            None if None in hits else SideHits.collect(hits),
        )


@dataclass(frozen=True)
class Prepared:
    """What is known of each distinct side.

    Attributes
    ----------
    ligands, receptors
        Which distinct side each ligand and each receptor is.
    pooled, hits
        See `Record`.
    """

    ligands: np.ndarray
    receptors: np.ndarray
    pooled: PooledSides | None
    hits: SideHits | None

    @property
    def at_once(self) -> int:
        """Number of pairs that are scored together."""
        return (OneByOneScorer if self.pooled is None else JoiningScorer).at_once

    def scorer(self, parts: Parts, targets: Targets, *, truncate: bool) -> PairScorer:
        """Return what scores the pairs."""
        if self.pooled is not None:
            return JoiningScorer(parts.model, self.pooled, (self.ligands, self.receptors))
        sides = targets.ligands, targets.receptors
        return OneByOneScorer(parts.model, parts.cache, *sides, truncate=truncate)


class SideReader:
    """Embeds, pools and searches sides: what a worker does before the pairs.

    Parameters
    ----------
    parts
        The model.
    truncate
        Shorten what is over the backbone's limit.
    """

    def __init__(self, parts: Parts, *, truncate: bool) -> None:
        self._parts, self._truncate = parts, truncate

    def __call__(self, sides: Sequence[Side]) -> Record:
        """Return what is known of sides."""
        pooled = hits = None
        if self._parts.model.joins_sides:
            pooled = PooledSides.of(self._parts.model, sides, self._parts.cache, truncate=self._truncate)
        if self._parts.index is not None:
            found = self._parts.index.of_sides(side.chains for side in sides)
            hits = SideHits.collect([SideHits.of(one) for one in found])
        return Record(pooled, hits)


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


def prepare(
    parts: Parts,
    targets: Targets,
    engine: Engine,
    resources: Resources,
    *,
    truncate: bool,
    kept: Callable[[int], Path] | None = None,
) -> Prepared:
    """Embed, pool and search each distinct side once.

    Parameters
    ----------
    parts, targets
        The model, and the sides.
    engine, resources
        Engine and workers that do it; the engine is open.
    truncate
        Shorten what is over the backbone's limit.
    kept
        Returns the file, by number, for the records of some sides, in which they are kept for later; records
        that are in their files are not computed again.

    Raises
    ------
    ppi.errors.PpiError
        If a side is too long, or the model gives no finite numbers for it.
    """
    sides, numbers = distinct_sides([*targets.ligands, *targets.receptors])
    if parts.model.joins_sides:
        check_lengths(parts.model, sides, truncate=truncate)
    lengths = [side.residues for side in sides]
    cut = [[sides[row] for row in rows] for rows in budget_batches(lengths, SIDE_RESIDUES, range(len(sides)))]
    files = {number: kept(number) for number in range(1, len(cut) + 1)} if kept else {}
    missing = [number for number in range(1, len(cut) + 1) if not (files and files[number].exists())]
    # Threads would wait for each other: torch and the search use all processors of this process already.
    share = resources if engine.remote else Resources(1)
    setup = partial(SideReader, parts, truncate=truncate)
    computed: dict[int, Record] = {}
    with (
        progress_bar("reading sides", len(sides), "sides") as advance,
        closing(engine.map(setup, (cut[number - 1] for number in missing), share)) as found,
    ):
        advance(len(sides) - sum(len(cut[number - 1]) for number in missing))
        for number, record in zip(missing, found, strict=True):
            if files:
                record.save(files[number])
            computed[number] = record
            advance(len(cut[number - 1]))
    records = [computed.get(number) or Record.load(files[number]) for number in range(1, len(cut) + 1)]
    ligands, receptors = np.split(numbers, [len(targets.ligands)])
    return Prepared(ligands, receptors, *Record.joined(records))
