"""From pairs of sides to the columns of the result: what a worker of a screen does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ppi.io.sides import Side
from ppi.models.calibration import FAMILIAR
from ppi.prediction.anchoring import Anchored
from ppi.prediction.coverage import MIN_PAIR_IDENTITY, uncovered
from ppi.prediction.oddities import oddities_of_side
from ppi.prediction.screening.anchored import AnchoredPairs
from ppi.prediction.screening.familiarity import Familiarity
from ppi.prediction.screening.pieces import PairColumns, Piece, joined, ranked, runs
from ppi.prediction.screening.preparation import Parts, Prepared
from ppi.prediction.screening.scoring import pair_of
from ppi.prediction.screening.settings import ScreenSettings
from ppi.prediction.screening.targets import Targets

_NOVELTY = np.array(["familiar", "half-familiar", "new"], dtype=object)


class PairComputer:
    """Computes pieces of a screen; safe to use from several threads.

    Parameters
    ----------
    parts, targets, prepared, settings
        The model, the pairs, what is known of their sides, and what is kept.
    anchor
        Let pairs that resemble measured complexes start from these.
    """

    def __init__(
        self, parts: Parts, targets: Targets, prepared: Prepared, settings: ScreenSettings, *, anchor: bool
    ) -> None:
        self._targets, self._prepared, self._settings = targets, prepared, settings
        self._calibration = parts.trained.calibration
        self._scorer = prepared.scorer(parts, targets, truncate=settings.truncate)
        training = parts.trained.training_complexes
        self._training = {item.id: item for item in training}
        self._names = np.array([*(item.id for item in training), None], dtype=object)
        self._measured = np.array([*(item.pkd for item in training), None], dtype=np.float64)
        self._familiarity: Familiarity | None = None
        if parts.index is not None and prepared.hits is not None:
            self._familiarity = Familiarity(parts.index, prepared.hits)
        wanted = anchor and self._calibration.anchored_quantile is not None
        self._anchored = AnchoredPairs(parts.anchors(), targets) if wanted else None
        self._ids = _texts(side.id for side in targets.ligands), _texts(side.id for side in targets.receptors)
        self._odd = _odd(targets.ligands, "ligand"), _odd(targets.receptors, "receptor")

    def __call__(self, piece: Piece) -> PairColumns:
        """Return the columns of all pairs or, of a complete piece, of those that are kept."""
        # A pair is scored together with the same others, whatever the piece that it is in.
        parts = piece.cut(self._scorer.at_once)
        columns = joined([self._of_pairs(part.ligands, part.receptors) for part in parts])
        if not piece.complete:
            return columns
        return ranked(columns, runs(self._of_targets(piece.ligands, piece.receptors)[0]), self._settings)

    def _of_pairs(self, ligands: np.ndarray, receptors: np.ndarray) -> PairColumns:
        """Return the columns that a pair has by itself, for ``(N,)`` pairs, target by target."""
        scores = self._scorer.score(ligands, receptors)
        targets, candidates = self._of_targets(ligands, receptors)
        own = runs(targets)
        nearest = self._nearest(ligands, receptors, own)
        pkd, spread = scores.mean.copy(), scores.spread.copy()
        half_width = self._calibration.half_width(spread, nearest["pair_identity"])
        anchors = np.zeros(len(pkd), dtype=np.int64)
        for run in own:
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
            "warnings": self._warnings(ligands, receptors, scores.truncated, nearest),
            "truncated": scores.truncated,
        }

    def _of_targets(self, ligands: np.ndarray, receptors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the target and of the candidate of each pair."""
        return (receptors, ligands) if self._targets.per == "receptor" else (ligands, receptors)

    def _nearest(self, ligands: np.ndarray, receptors: np.ndarray, runs: Sequence[slice]) -> PairColumns:
        """Return the columns that say what pairs resemble, in runs of one target each.

        They are empty where that is not wanted.
        """
        count, hits = len(ligands), self._prepared.hits
        if self._familiarity is None or hits is None:
            unknown, nothing = np.full(count, np.nan), np.full(count, None, dtype=object)
            names = ("ligand_identity", "receptor_identity", "pair_identity", "nearest_pkd")
            return dict.fromkeys(names, unknown) | dict.fromkeys(("novelty", "nearest_complex"), nothing)
        own = self._prepared.ligands[ligands], self._prepared.receptors[receptors]
        targets, candidates = self._of_targets(*own)
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
        self, target: int, candidates: np.ndarray, run: slice, prior: np.ndarray, nearest: PairColumns
    ) -> Iterator[tuple[int, Anchored]]:
        """Yield the pairs in a run of one target that start from measured complexes, and what these say."""
        if self._anchored is None:
            return
        like = nearest["pair_identity"][run], nearest["nearest_complex"][run]
        for pair, near in self._anchored.predict(target, candidates[run], prior[run], *like).items():
            yield run.start + pair, near

    def _warnings(
        self, ligands: np.ndarray, receptors: np.ndarray, truncated: np.ndarray, nearest: PairColumns
    ) -> np.ndarray:
        ligand, receptor = self._odd[0][ligands], self._odd[1][receptors]
        gaps = self._uncovered(ligands, receptors, nearest)
        texts = (ligand, receptor, gaps, np.where(truncated, "shortened", "").astype(object))
        if not any((text != "").any() for text in texts):
            return ligand
        return _texts("; ".join(filter(None, row)) for row in zip(*texts, strict=True))

    def _uncovered(self, ligands: np.ndarray, receptors: np.ndarray, nearest: PairColumns) -> np.ndarray:
        """Return what of each pair its nearest training complex lacks, or has beyond it, in words."""
        texts = np.full(len(ligands), "", dtype=object)
        for pair in np.flatnonzero(nearest["pair_identity"] >= MIN_PAIR_IDENTITY).tolist():
            item = pair_of(self._targets.ligands[ligands[pair]], self._targets.receptors[receptors[pair]])
            onto = self._training[nearest["nearest_complex"][pair]]
            texts[pair] = uncovered(item, onto, float(nearest["pair_identity"][pair]))
        return texts


def _odd(sides: Sequence[Side], role: str) -> np.ndarray:
    """Return what is odd about each side, in words."""
    return _texts(
        "; ".join([f"{role} {note}" for note in side.notes] + oddities_of_side(side.chains, role))
        for side in sides
    )


def _texts(texts: Iterable[str | None]) -> np.ndarray:
    return np.array([*texts, None], dtype=object)[:-1]
