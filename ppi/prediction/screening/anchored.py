"""Which pairs of a screen may start from measured complexes, and what these then say."""

from __future__ import annotations

import numpy as np

from ppi.io.sides import Side
from ppi.prediction.anchoring import Anchored, Anchors
from ppi.prediction.neighbours import MIN_PLACED_IDENTITY, by_length
from ppi.prediction.screening.scoring import pair_of
from ppi.prediction.screening.targets import Targets


class AnchoredPairs:
    """Asks the measured complexes about the pairs that may have neighbours among them, and about no other.

    Parameters
    ----------
    anchors
        The measured complexes.
    targets
        The sides of the screen.
    """

    def __init__(self, anchors: Anchors, targets: Targets) -> None:
        self._anchors, self._targets = anchors, targets
        self._partners = anchors.partner_lengths()
        lengths = [_lengths(side) for side in targets.candidates]
        self._numbers = {found: number for number, found in enumerate(dict.fromkeys(lengths))}
        self._of_candidates = np.array([self._numbers[found] for found in lengths])

    def predict(
        self,
        target: int,
        candidates: np.ndarray,
        prior: np.ndarray,
        identity: np.ndarray,
        names: np.ndarray,
    ) -> dict[int, Anchored]:
        """Return what measured neighbours say, by the number of the pair, of the pairs that have any.

        Parameters
        ----------
        target, candidates
            Numbers of the sides of ``N`` pairs.
        prior
            ``(N,)`` what the model predicts.
        identity, names
            ``(N,)`` of the nearest training complex; NaN and None where it was not looked for.
        """
        placed = identity >= MIN_PLACED_IDENTITY
        known = self._partners.get(_lengths(self._targets.targets[target]), set())
        numbers = [self._numbers[lengths] for lengths in known if lengths in self._numbers]
        of_length = np.zeros(len(self._numbers), dtype=bool)
        of_length[numbers] = True
        found = {}
        for pair in np.flatnonzero(placed | of_length[self._of_candidates[candidates]]).tolist():
            item = pair_of(*self._sides(target, int(candidates[pair])))
            near = self._anchors.predict(item, float(prior[pair]), like=names[pair] if placed[pair] else None)
            if near is not None:
                found[pair] = near
        return found

    def _sides(self, target: int, candidate: int) -> tuple[Side, Side]:
        sides = self._targets.candidates[candidate], self._targets.targets[target]
        return sides if self._targets.per == "receptor" else sides[::-1]


def _lengths(side: Side) -> tuple[int, ...]:
    return tuple(map(len, by_length(side.chains)))
