"""From blocks of targets to rows of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from ppi.engines.base import Engine, Resources
from ppi.io.predictions import kd_from_pkd
from ppi.io.sides import Side
from ppi.models.calibration import FAMILIAR
from ppi.prediction.anchoring import Anchored
from ppi.prediction.oddities import oddities_of_side
from ppi.prediction.screening.anchored import AnchoredPairs
from ppi.prediction.screening.columns import COLUMNS
from ppi.prediction.screening.familiarity import Familiarity
from ppi.prediction.screening.preparation import Parts, Prepared
from ppi.prediction.screening.ranking import ranking
from ppi.prediction.screening.scoring import PairScores
from ppi.prediction.screening.settings import ScreenSettings
from ppi.prediction.screening.targets import Block, Targets

_Columns = dict[str, np.ndarray]
_NOVELTY = np.array(["familiar", "half-familiar", "new"], dtype=object)


class _Job(NamedTuple):
    """The pairs of one target: numbers of their sides, and what the model says of them."""

    target: int
    ligands: np.ndarray
    receptors: np.ndarray
    scores: PairScores


class Screener:
    """Computes blocks of a screen.

    Parameters
    ----------
    parts, targets, prepared, settings
        The model, the pairs, what is known of their sides, and what is kept.
    engine, resources
        What the work is shared out by.
    anchor
        Let pairs that resemble measured complexes start from these.
    """

    def __init__(
        self,
        parts: Parts,
        targets: Targets,
        prepared: Prepared,
        settings: ScreenSettings,
        engine: Engine,
        resources: Resources,
        *,
        anchor: bool = True,
    ) -> None:
        self._targets, self._prepared, self._settings = targets, prepared, settings
        self._engine, self._resources = engine, resources
        self._model, self._calibration = parts.trained.name, parts.trained.calibration
        self._scorer = prepared.scorer(parts, targets, truncate=settings.truncate)
        training = parts.trained.training_complexes
        self._names = np.array([*(item.id for item in training), None], dtype=object)
        self._measured = np.array([*(item.pkd for item in training), None], dtype=np.float64)
        self._familiarity: Familiarity | None = None
        if parts.index is not None and prepared.hits is not None:
            self._familiarity = Familiarity(parts.index, prepared.hits)
        wanted = anchor and self._calibration.anchored_quantile is not None
        self._anchored = AnchoredPairs(parts.anchors(), targets) if wanted else None
        self._ids = _texts(side.id for side in targets.ligands), _texts(side.id for side in targets.receptors)
        self._odd = _odd(targets.ligands, "ligand"), _odd(targets.receptors, "receptor")

    def table(self, block: Block, advance: Callable[[int], None]) -> pd.DataFrame:
        """Return what is kept of the pairs of a block, target by target, the best first.

        Parameters
        ----------
        block
            Targets.
        advance
            Takes how many more pairs are done.
        """
        with _shared_threads(self._resources.at_once):
            return self._table(block, advance)

    def _table(self, block: Block, advance: Callable[[int], None]) -> pd.DataFrame:
        ligands, receptors = self._targets.pairs_of(block)
        size = self._scorer.at_once
        parts = [slice(start, start + size) for start in range(0, len(ligands), size)]
        scores = []
        found = self._engine.map(
            lambda part: self._scorer.score(ligands[part], receptors[part]), parts, self._resources
        )
        for scored in found:
            scores.append(scored)
            advance(len(scored.mean))
        joined = PairScores(*(np.concatenate(arrays) for arrays in zip(*scores, strict=True)))
        ends = np.cumsum([self._targets.size(target) for target in block])[:-1]
        jobs = map(
            _Job,
            block,
            np.split(ligands, ends),
            np.split(receptors, ends),
            (
                PairScores(*arrays)
                for arrays in zip(*(np.split(array, ends) for array in joined), strict=True)
            ),
        )
        rows = list(self._engine.map(self._of_target, jobs, self._resources))
        frame = pd.DataFrame({name: np.concatenate([row[name] for row in rows]) for name in rows[0]})
        frame = frame.assign(kd_molar=kd_from_pkd(frame["pkd"]), model=self._model)
        return frame[list(COLUMNS)]

    def _of_target(self, job: _Job) -> _Columns:
        found = self._nearest(job)
        pkd, spread = job.scores.mean.copy(), job.scores.spread.copy()
        half_width = self._calibration.half_width(spread, found["pair_identity"])
        anchors = np.zeros(len(pkd), dtype=np.int64)
        for pair, near in self._neighbours(job, found).items():
            pkd[pair], spread[pair], anchors[pair] = near.pkd, near.std, near.neighbours
            half_width[pair] = near.std * (self._calibration.anchored_quantile or np.nan)
        lower, upper = pkd - half_width, pkd + half_width
        ranked = ranking(pkd, lower, upper)
        columns = found | {
            "ligand": self._ids[0][job.ligands],
            "receptor": self._ids[1][job.receptors],
            "rank": ranked.rank,
            "overlapping": ranked.overlapping,
            "z_score": ranked.z_score,
            "pkd": pkd,
            "pkd_std": spread,
            "pkd_lower": lower,
            "pkd_upper": upper,
            "partner_score": job.scores.partner,
            "anchors": anchors,
            "warnings": self._warnings(job),
            "truncated": job.scores.truncated,
        }
        kept = ranked.order
        if self._settings.min_pkd is not None:
            kept = kept[pkd[kept] >= self._settings.min_pkd]
        kept = kept[: self._settings.top_k]
        return {name: values[kept] for name, values in columns.items()}

    def _nearest(self, job: _Job) -> _Columns:
        """Return the columns that say what a pair resembles; empty where that is not wanted."""
        count, hits = len(job.ligands), self._prepared.hits
        if self._familiarity is None or hits is None:
            unknown, nothing = np.full(count, np.nan), np.full(count, None, dtype=object)
            names = ("ligand_identity", "receptor_identity", "pair_identity", "nearest_pkd")
            return dict.fromkeys(names, unknown) | dict.fromkeys(("novelty", "nearest_complex"), nothing)
        ligands, receptors = self._prepared.ligands[job.ligands], self._prepared.receptors[job.receptors]
        target, candidates = (
            (receptors[0], ligands) if self._targets.per == "receptor" else (ligands[0], receptors)
        )
        nearest = self._familiarity.nearest(int(target), candidates)
        sides = hits.best[ligands], hits.best[receptors]
        familiar, half = nearest.identity >= FAMILIAR, np.maximum(*sides) >= FAMILIAR
        return {
            "novelty": _NOVELTY[np.where(familiar, 0, np.where(half, 1, 2))],
            "ligand_identity": sides[0],
            "receptor_identity": sides[1],
            "pair_identity": nearest.identity,
            # Number -1, for none, is the last one.
            "nearest_complex": self._names[nearest.number],
            "nearest_pkd": self._measured[nearest.number],
        }

    def _neighbours(self, job: _Job, found: _Columns) -> dict[int, Anchored]:
        if self._anchored is None:
            return {}
        candidates = job.ligands if self._targets.per == "receptor" else job.receptors
        return self._anchored.predict(
            job.target, candidates, job.scores.mean, found["pair_identity"], found["nearest_complex"]
        )

    def _warnings(self, job: _Job) -> np.ndarray:
        ligand, receptor = self._odd[0][job.ligands], self._odd[1][job.receptors]
        texts = (ligand, receptor, np.where(job.scores.truncated, "shortened", "").astype(object))
        if not any((text != "").any() for text in texts):
            return ligand
        return _texts("; ".join(filter(None, row)) for row in zip(*texts, strict=True))


@contextmanager
def _shared_threads(workers: int) -> Iterator[None]:
    """Let the workers share torch's threads: with all of them in each, they would wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // workers))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _odd(sides: Sequence[Side], role: str) -> np.ndarray:
    """Return what is odd about each side, in words."""
    return _texts(
        "; ".join([f"{role} {note}" for note in side.notes] + oddities_of_side(side.chains, role))
        for side in sides
    )


def _texts(texts: Iterable[str | None]) -> np.ndarray:
    return np.array([*texts, None], dtype=object)[:-1]
