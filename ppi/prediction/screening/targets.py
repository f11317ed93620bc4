"""Which candidates each target meets, and blocks of targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ppi.errors import InputError
from ppi.io.pairs import PairInputs, read_pairs
from ppi.io.sides import Side, SideInputs, read_sides
from ppi.io.text import is_standard_input
from ppi.prediction.screening.resemblance import warn_of_variants
from ppi.prediction.screening.settings import Role

#: Pairs of a block: what a screen that is killed loses at most. A target with more is a block of its own.
BLOCK_PAIRS = 65_536


#: Numbers of targets that are computed and written together.
Block: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Targets:
    """The pairs of a screen, target by target.

    Attributes
    ----------
    ligands, receptors
        The sides.
    per
        Which of them are the targets.
    order, starts
        The candidates of all targets one after another, and where each target begins (one more at the end);
        None where every target meets every candidate.
    """

    ligands: Sequence[Side]
    receptors: Sequence[Side]
    per: Role
    order: np.ndarray | None = None
    starts: np.ndarray | None = None

    @classmethod
    def listed(
        cls, ligands: Sequence[Side], receptors: Sequence[Side], per: Role, pairs: np.ndarray
    ) -> Targets:
        """Take ``(P, 2)`` numbers of ligand and receptor; sides without a partner are left out.

        The targets keep the order of their sides, and the candidates of each that of the list.
        """
        (used_ligands, ligand), (used_receptors, receptor) = (
            np.unique(column, return_inverse=True) for column in pairs.T
        )
        of_target, candidates = (receptor, ligand) if per == "receptor" else (ligand, receptor)
        order = np.argsort(of_target, kind="stable")
        starts = np.searchsorted(of_target[order], np.arange(of_target.max() + 2))
        return cls(
            [ligands[number] for number in used_ligands],
            [receptors[number] for number in used_receptors],
            per,
            candidates[order],
            starts,
        )

    @property
    def targets(self) -> Sequence[Side]:
        """The sides that are the targets."""
        return self.receptors if self.per == "receptor" else self.ligands

    @property
    def candidates(self) -> Sequence[Side]:
        """The sides that are not."""
        return self.ligands if self.per == "receptor" else self.receptors

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return len(self.targets) * len(self.candidates) if self.order is None else len(self.order)

    def rows(self, top_k: int | None) -> int:
        """Return how many pairs are kept at most."""
        if top_k is None:
            return self.pairs
        if self.starts is None:
            return len(self.targets) * min(top_k, len(self.candidates))
        return int(np.minimum(np.diff(self.starts), top_k).sum())

    def of(self, target: int) -> np.ndarray:
        """Return the numbers of the candidates of a target."""
        if self.order is None or self.starts is None:
            return np.arange(len(self.candidates))
        return self.order[self.starts[target] : self.starts[target + 1]]

    def size(self, target: int) -> int:
        """Return how many candidates a target has."""
        if self.starts is None:
            return len(self.candidates)
        return int(self.starts[target + 1] - self.starts[target])

    def blocks(self) -> Iterator[Block]:
        """Yield the targets, in order, in blocks."""
        block: list[int] = []
        filled = 0
        for target in range(len(self.targets)):
            size = self.size(target)
            if block and filled + size > BLOCK_PAIRS:
                yield tuple(block)
                block, filled = [], 0
            block.append(target)
            filled += size
        yield tuple(block)

    def pairs_of(self, block: Block) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of ligand and receptor of all pairs of a block, target by target."""
        candidates = np.concatenate([self.of(target) for target in block])
        targets = np.repeat(block, [self.size(target) for target in block])
        return (candidates, targets) if self.per == "receptor" else (targets, candidates)


def read_targets(ligands: SideInputs, receptors: SideInputs, pairs: PairInputs | None, per: Role) -> Targets:
    """Read both sides and, if it is given, which of them meet.

    Parameters
    ----------
    ligands, receptors, pairs
        See `ppi.prediction.predictor.Predictor.screen`.
    per
        Which side is the target.

    Raises
    ------
    InputError
        If an input is wrong, or both sides are standard input.
    """
    if is_standard_input(ligands) and is_standard_input(receptors):
        raise InputError("ligands and receptors are both standard input; name a file for one of them")
    sides = read_sides(ligands, "ligand"), read_sides(receptors, "receptor")
    for side, role in zip(sides, ("ligand", "receptor"), strict=True):
        warn_of_variants(side, role)
    return Targets(*sides, per) if pairs is None else Targets.listed(*sides, per, read_pairs(pairs, *sides))
