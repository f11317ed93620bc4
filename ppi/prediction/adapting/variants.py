"""Variants of one complex as sets of single mutations, each described by numbers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from scipy.sparse import csr_matrix, vstack

from ppi.complexes import AMINO_ACIDS, UNKNOWN, Complex
from ppi.effects.mutations import SIDES, Mutation


class Describer(Protocol):
    """What a general model knows of the mutations of one complex.

    Attributes
    ----------
    crowding
        The effects of ``n`` mutations are added up and divided by ``n`` to this power.
    """

    crowding: float

    def effects(self, mutations: Sequence[Mutation]) -> np.ndarray:
        """Return ``(M,)`` predicted changes of pKd; positive means stronger binding."""
        ...

    def sites(self, mutations: Sequence[Mutation]) -> np.ndarray:
        """Return ``(M, F)`` numbers of the site of each mutation; alike sites have like numbers."""
        ...


@dataclass(frozen=True)
class Singles:
    """Single mutations.

    Attributes
    ----------
    position
        ``(M,)`` index of the changed residue among all residues of the complex.
    wild, mutant
        ``(M,)`` indices of the residues in `ppi.complexes.AMINO_ACIDS`.
    effect
        ``(M,)`` predicted change of pKd.
    site
        ``(M, F)`` numbers of the site.
    """

    position: np.ndarray
    wild: np.ndarray
    mutant: np.ndarray
    effect: np.ndarray
    site: np.ndarray

    @property
    def keys(self) -> np.ndarray:
        """``(M,)`` numbers of the mutations, the same in any set of variants of the complex."""
        found: np.ndarray = self.position * len(AMINO_ACIDS) + self.mutant
        return found


@dataclass(frozen=True)
class Variants:
    """Variants of one complex.

    Attributes
    ----------
    singles
        All mutations that occur, sorted by `Singles.keys`.
    members
        ``(N, M)`` sparse, 1 where a variant has a mutation; columns of a row are sorted.
    effect
        ``(N,)`` predicted change of pKd of each variant.
    """

    singles: Singles
    members: csr_matrix
    effect: np.ndarray

    def __len__(self) -> int:
        return int(self.members.shape[0])

    @property
    def counts(self) -> np.ndarray:
        """``(N,)`` mutations of each variant."""
        counted: np.ndarray = np.diff(self.members.indptr).astype(np.float64)
        return counted

    def rows(self, chosen: np.ndarray | slice) -> Variants:
        """Return some of the variants."""
        return Variants(self.singles, self.members[chosen], self.effect[chosen])

    def names(self) -> list[bytes]:
        """Return what is the same for two variants with the same mutations, and for no others."""
        keys = self.singles.keys[self.members.indices].astype(np.int64)
        ends = self.members.indptr
        return [keys[start:end].tobytes() for start, end in itertools.pairwise(ends)]

    @classmethod
    def of(cls, wild: Complex, complexes: Sequence[Complex], describer: Describer) -> Variants:
        """Describe complexes whose chains have the lengths of those of the wild type.

        Unknown residues (X) count as unchanged.
        """
        before = residues_of([wild])[0]
        after = residues_of(complexes, len(before))
        changed = (after != before) & (after != ord(UNKNOWN)) & (before != ord(UNKNOWN))
        rows, columns = np.nonzero(changed)
        keys = columns * len(AMINO_ACIDS) + _INDEX[after[rows, columns]]
        distinct, number = np.unique(keys, return_inverse=True)
        position, mutant = np.divmod(distinct, len(AMINO_ACIDS))
        mutations = _mutations(wild, position, mutant)
        effects, sites = describer.effects(mutations), describer.sites(mutations)
        singles = Singles(position, _INDEX[before[position]], mutant, effects, sites)
        ends = np.searchsorted(rows, np.arange(len(complexes) + 1))
        members = csr_matrix(
            (np.ones(len(rows)), number, ends), shape=(len(complexes), len(distinct)), dtype=np.float64
        )
        crowd = np.maximum(1, np.diff(ends)) ** describer.crowding
        return cls(singles, members, (members @ effects) / crowd)


def joined(first: Variants, second: Variants) -> Variants:
    """Return the variants of both, over the mutations of both."""
    keys = np.concatenate([first.singles.keys, second.singles.keys])
    _, chosen, number = np.unique(keys, return_index=True, return_inverse=True)
    singles = Singles(
        *(
            np.concatenate([getattr(first.singles, field.name), getattr(second.singles, field.name)])[chosen]
            for field in fields(Singles)
        )
    )
    columns = np.split(number, [len(first.singles.keys)])
    members = [
        csr_matrix(
            (each.members.data, own[each.members.indices], each.members.indptr),
            shape=(len(each), len(chosen)),
        )
        for each, own in zip((first, second), columns, strict=True)
    ]
    return Variants(singles, csr_matrix(vstack(members)), np.concatenate([first.effect, second.effect]))


#: Index of each amino acid by its ASCII code; unknown residues have the index of none.
_INDEX = np.full(128, -1)
_INDEX[[ord(residue) for residue in AMINO_ACIDS]] = np.arange(len(AMINO_ACIDS))


def residues_of(complexes: Sequence[Complex], length: int | None = None) -> np.ndarray:
    """Return ``(N, L)`` ASCII codes of all residues of complexes of one length, ligand first."""
    text = "".join(chain for item in complexes for chain in item.chains)
    width = length if length is not None else len(text) // len(complexes)
    return np.frombuffer(text.encode("ascii"), dtype=np.uint8).reshape(len(complexes), width)


def _mutations(wild: Complex, position: np.ndarray, mutant: np.ndarray) -> list[Mutation]:
    """Return mutations by index of the residue among all of the complex, and of the amino acid."""
    places = [
        (side, chain, place, residue)
        for side in SIDES
        for chain, residues in enumerate(getattr(wild, side), start=1)
        for place, residue in enumerate(residues, start=1)
    ]
    return [
        Mutation(side, chain, place, before, AMINO_ACIDS[residue])
        for (side, chain, place, before), residue in zip(
            (places[where] for where in position), mutant, strict=True
        )
    ]
