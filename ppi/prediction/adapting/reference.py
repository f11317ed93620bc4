"""The reference of a set of variants, and the variants laid onto it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ppi.complexes import UNKNOWN, Complex
from ppi.errors import InputError
from ppi.prediction.adapting.variants import residues_of
from ppi.prediction.placement import chain_aligner, place

#: More substitutions than this part of a chain make it another protein.
_MOST_CHANGED = 1 / 3
#: From this part of identical residues a chain of another length is the same protein.
_SAME = 0.6
_SHOWN = 3
#: A shorter chain, such as a peptide, may change altogether.
_SHORT = 30
_AT_ONCE = 8192
_MANY = 10**6


def medoid(complexes: Sequence[Complex]) -> Complex:
    """Return the complex with the fewest differences from all others of its chain lengths.

    The chains of the reference have the lengths that most complexes have.
    """
    usual = Counter(map(_lengths, complexes)).most_common(1)[0][0]
    alike = [item for item in complexes if _lengths(item) == usual]
    residues = residues_of(alike)
    varying = residues[:, (residues != residues[0]).any(axis=0)]
    differences = np.zeros(len(alike))
    for column in varying.T:
        count = np.bincount(column, minlength=128)
        own = np.where(column == ord(UNKNOWN), len(alike), count[column] + count[ord(UNKNOWN)])
        differences += len(alike) - own
    return alike[int(differences.argmin())]


def placed_onto(
    complexes: Sequence[Complex], wild: Complex, *, which: str = "the measured variants"
) -> list[Complex]:
    """Return complexes with chains of the lengths of the wild type.

    A residue that one of them lacks at an end of a chain makes no difference.

    Parameters
    ----------
    complexes
        Variants.
    wild
        The reference.
    which
        What they are, for an error.

    Raises
    ------
    InputError
        If one is no variant by substitutions: another protein, an insertion or a deletion.
    """
    alike = [_lengths(item) == _lengths(wild) for item in complexes]
    near = iter(_near([item for item, same in zip(complexes, alike, strict=True) if same], wild))
    placed = [
        (item if next(near) else None) if same else _placed(item, wild)
        for item, same in zip(complexes, alike, strict=True)
    ]
    wrong = [item for item, found in zip(complexes, placed, strict=True) if found is None]
    if wrong:
        raise InputError(_reason(wrong, wild, which))
    return [item for item in placed if item is not None]


def _near(complexes: Sequence[Complex], wild: Complex) -> list[bool]:
    """Say which complexes of the same lengths have the same proteins."""
    lengths = np.array([len(chain) for chain in wild.chains])
    starts = np.cumsum(lengths) - lengths
    most = np.where(lengths < _SHORT, lengths, _MOST_CHANGED * lengths)
    found = [np.zeros(0, dtype=bool)]
    own = residues_of([wild])[0]
    for start in range(0, len(complexes), _AT_ONCE):
        residues = residues_of(complexes[start : start + _AT_ONCE], len(own))
        changed = (residues != own) & (residues != ord(UNKNOWN)) & (own != ord(UNKNOWN))
        counts = np.add.reduceat(changed, starts, axis=1, dtype=int)
        found.append(np.all(counts <= most, axis=1))
    return np.concatenate(found).tolist()


def _placed(item: Complex, wild: Complex) -> Complex | None:
    placed = place(item, wild, most=_MANY)
    return None if placed is None else placed.complex


def _reason(wrong: Sequence[Complex], wild: Complex, which: str) -> str:
    names = ", ".join(repr(item.id) for item in wrong[:_SHOWN]) + ", ..." * (len(wrong) > _SHOWN)
    first = wrong[0]
    if list(map(len, _lengths(first))) != list(map(len, _lengths(wild))):
        return (
            f"{which}: {names} ({len(wrong)} row(s)) have other numbers of chains than the reference "
            f"{wild.id!r}: {_words(first)} residues, instead of {_words(wild)}; give every variant the same "
            "chains, or name the complex of each row in a column 'target'"
        )
    if _lengths(first) != _lengths(wild) and _same_protein(first, wild):
        return (
            f"{which}: {names} ({len(wrong)} row(s)) have chains of {_words(first)} residues, the reference "
            f"{wild.id!r} of {_words(wild)}: insertions and deletions are not handled; leave these rows out, "
            "or adapt a model of their own to them"
        )
    return (
        f"{which}: {names} ({len(wrong)} row(s)) are no substitution variants of the reference {wild.id!r}; "
        "where several complexes are measured, name that of each row in a column 'target'"
    )


def _same_protein(item: Complex, wild: Complex) -> bool:
    """Say whether each chain is alike one of the other complex."""
    return all(max(_identity(one, other) for other in wild.chains) >= _SAME for one in item.chains)


def _identity(one: str, other: str) -> float:
    alignment = chain_aligner().align(one, other)[0]
    pairs = zip(alignment[0], alignment[1], strict=True)
    return sum(mine == theirs for mine, theirs in pairs) / min(len(one), len(other))


def _lengths(item: Complex) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(map(len, item.ligand)), tuple(map(len, item.receptor))


def _words(item: Complex) -> str:
    ligand, receptor = (":".join(map(str, lengths)) for lengths in _lengths(item))
    return f"{ligand} and {receptor}"
