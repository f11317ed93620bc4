"""Pairs on their way through an engine: in pieces of a block, and put together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from ppi.prediction.screening.ranking import ranking
from ppi.prediction.screening.settings import ScreenSettings

#: Arrays of one length by the name of the column.
PairColumns: TypeAlias = dict[str, np.ndarray]


class Piece(NamedTuple):
    """Pairs that one task computes.

    Attributes
    ----------
    ligands, receptors
        ``(N,)`` numbers of the sides, target by target.
    complete
        Whether all pairs of each of its targets are in it, so that the task ranks them, too.
    """

    ligands: np.ndarray
    receptors: np.ndarray
    complete: bool

    def cut(self, size: int) -> list[Piece]:
        """Return the same pairs in pieces of at most so many, which are not complete."""
        return [
            Piece(self.ligands[start : start + size], self.receptors[start : start + size], False)
            for start in range(0, len(self.ligands), size)
        ]


def runs(numbers: np.ndarray) -> list[slice]:
    """Return where each target begins and ends in the ``(N,)`` numbers of the targets of pairs."""
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    return [slice(*both) for both in zip(starts, [*starts[1:], len(numbers)], strict=True)]


def joined(found: Sequence[PairColumns]) -> PairColumns:
    """Return columns one below another."""
    return {name: np.concatenate([columns[name] for columns in found]) for name in found[0]}


def ranked(pairs: PairColumns, targets: Sequence[slice], settings: ScreenSettings) -> PairColumns:
    """Rank the pairs of each target among each other; return those that are kept, the best first.

    Parameters
    ----------
    pairs
        Columns of all pairs of some targets.
    targets
        Where each target begins and ends.
    settings
        Settings that say which pairs are kept.
    """
    rows = []
    for own in targets:
        columns = {name: values[own] for name, values in pairs.items()}
        places = ranking(columns["pkd"], columns["pkd_lower"], columns["pkd_upper"])
        kept = places.order
        if settings.min_pkd is not None:
            kept = kept[columns["pkd"][kept] >= settings.min_pkd]
        kept = kept[: settings.top_k]
        columns |= {"rank": places.rank, "overlapping": places.overlapping, "z_score": places.z_score}
        rows.append({name: values[kept] for name, values in columns.items()})
    return joined(rows)
