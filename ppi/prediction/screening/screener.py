"""From blocks of targets to rows of the result."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

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
from ppi.prediction.screening.familiarity import Familiarity
from ppi.prediction.screening.output import COLUMNS
from ppi.prediction.screening.preparation import Parts, Prepared
from ppi.prediction.screening.ranking import ranking
from ppi.prediction.screening.settings import ScreenSettings
from ppi.prediction.screening.targets import Block, Targets

_Columns = dict[str, np.ndarray]
_NOVELTY = np.array(["familiar", "half-familiar", "new"], dtype=object)


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
        with _THREADS.shared(self._resources.at_once):
            return self._table(block, advance)

    def _table(self, block: Block, advance: Callable[[int], None]) -> pd.DataFrame:
        ligands, receptors = self._targets.pairs_of(block)
        size = self._scorer.at_once
        parts = [slice(start, start + size) for start in range(0, len(ligands), size)]
        found = []
        for columns in self._engine.map(
            lambda part: self._of_pairs(ligands[part], receptors[part]), parts, self._resources
        ):
            found.append(columns)
            advance(len(columns["pkd"]))
        pairs = {name: np.concatenate([columns[name] for columns in found]) for name in found[0]}
        ends = np.cumsum([self._targets.size(target) for target in block])
        rows = [self._kept(pairs, slice(*both)) for both in zip([0, *ends[:-1]], ends, strict=True)]
        frame = pd.DataFrame({name: np.concatenate([row[name] for row in rows]) for name in rows[0]})
        frame = frame.assign(kd_molar=kd_from_pkd(frame["pkd"]), model=self._model)
        return frame[list(COLUMNS)]

    def _of_pairs(self, ligands: np.ndarray, receptors: np.ndarray) -> _Columns:
        """Return the columns that a pair has by itself, for ``(N,)`` pairs, target by target."""
        scores = self._scorer.score(ligands, receptors)
        targets, candidates = (
            (receptors, ligands) if self._targets.per == "receptor" else (ligands, receptors)
        )
        starts = np.flatnonzero(np.diff(targets, prepend=-1))
        runs = [slice(*both) for both in zip(starts, [*starts[1:], len(targets)], strict=True)]
        nearest = self._nearest(ligands, receptors, runs)
        pkd, spread = scores.mean.copy(), scores.spread.copy()
        half_width = self._calibration.half_width(spread, nearest["pair_identity"])
        anchors = np.zeros(len(pkd), dtype=np.int64)
        for run in runs:
            target = int(targets[run.start])
            for pair, near in self._neighbours(target, candidates, run, scores.mean, nearest):
                pkd[pair], spread[pair], anchors[pair] = near.pkd, near.std, near.neighbours
                half_width[pair] = near.std * (self._calibration.anchored_quantile or np.nan)
        return nearest | {
            "ligand": self._ids[0][ligands],
            "receptor": self._ids[1][receptors],
            "pkd": pkd,
            "pkd_std": spread,
            "pkd_lower": pkd - half_width,
            "pkd_upper": pkd + half_width,
            "partner_score": scores.partner,
            "anchors": anchors,
            "warnings": self._warnings(ligands, receptors, scores.truncated),
            "truncated": scores.truncated,
        }

    def _kept(self, pairs: _Columns, of_target: slice) -> _Columns:
        """Return what is kept of the pairs of a target, the best first."""
        columns = {name: values[of_target] for name, values in pairs.items()}
        ranked = ranking(columns["pkd"], columns["pkd_lower"], columns["pkd_upper"])
        kept = ranked.order
        if self._settings.min_pkd is not None:
            kept = kept[columns["pkd"][kept] >= self._settings.min_pkd]
        kept = kept[: self._settings.top_k]
        columns |= {"rank": ranked.rank, "overlapping": ranked.overlapping, "z_score": ranked.z_score}
        return {name: values[kept] for name, values in columns.items()}

    def _nearest(self, ligands: np.ndarray, receptors: np.ndarray, runs: Sequence[slice]) -> _Columns:
        """Return the columns that say what pairs resemble, in runs of one target each.

        They are empty where that is not wanted.
        """
        count, hits = len(ligands), self._prepared.hits
        if self._familiarity is None or hits is None:
            unknown, nothing = np.full(count, np.nan), np.full(count, None, dtype=object)
            names = ("ligand_identity", "receptor_identity", "pair_identity", "nearest_pkd")
            return dict.fromkeys(names, unknown) | dict.fromkeys(("novelty", "nearest_complex"), nothing)
        own = self._prepared.ligands[ligands], self._prepared.receptors[receptors]
        targets, candidates = own[::-1] if self._targets.per == "receptor" else own
        nearest = [self._familiarity.nearest(int(targets[run.start]), candidates[run]) for run in runs]
        identity, number = map(np.concatenate, zip(*nearest, strict=True))
        sides = hits.best[own[0]], hits.best[own[1]]
        familiar, half = identity >= FAMILIAR, np.maximum(*sides) >= FAMILIAR
        return {
            "novelty": _NOVELTY[np.where(familiar, 0, np.where(half, 1, 2))],
            "ligand_identity": sides[0],
            "receptor_identity": sides[1],
            "pair_identity": identity,
            # Number -1, for none, is the last one.
            "nearest_complex": self._names[number],
            "nearest_pkd": self._measured[number],
        }

    def _neighbours(
        self, target: int, candidates: np.ndarray, run: slice, prior: np.ndarray, nearest: _Columns
    ) -> Iterator[tuple[int, Anchored]]:
        """Yield the pairs in a run of one target that start from measured complexes, and what these say."""
        if self._anchored is None:
            return
        like = nearest["pair_identity"][run], nearest["nearest_complex"][run]
        for pair, near in self._anchored.predict(target, candidates[run], prior[run], *like).items():
            yield run.start + pair, near

    def _warnings(self, ligands: np.ndarray, receptors: np.ndarray, truncated: np.ndarray) -> np.ndarray:
        ligand, receptor = self._odd[0][ligands], self._odd[1][receptors]
        texts = (ligand, receptor, np.where(truncated, "shortened", "").astype(object))
        if not any((text != "").any() for text in texts):
            return ligand
        return _texts("; ".join(filter(None, row)) for row in zip(*texts, strict=True))


class _TorchThreads:
    """Torch's threads, which all workers of all screens in this process share."""

    def __init__(self) -> None:
        self._lock, self._screens, self._all = threading.Lock(), 0, 0

    @contextmanager
    def shared(self, workers: int) -> Iterator[None]:
        """Let workers share the threads: with all of them in each, they would wait for each other."""
        with self._lock:
            if not self._screens:
                self._all = torch.get_num_threads()
            self._screens += 1
            torch.set_num_threads(max(1, self._all // workers))
        try:
            yield
        finally:
            with self._lock:
                self._screens -= 1
                if not self._screens:
                    torch.set_num_threads(self._all)


_THREADS = _TorchThreads()


def _odd(sides: Sequence[Side], role: str) -> np.ndarray:
    """Return what is odd about each side, in words."""
    return _texts(
        "; ".join([f"{role} {note}" for note in side.notes] + oddities_of_side(side.chains, role))
        for side in sides
    )


def _texts(texts: Iterable[str | None]) -> np.ndarray:
    return np.array([*texts, None], dtype=object)[:-1]
