"""Combinatorial libraries: positions and the residues that are allowed at each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product

from ppi.complexes import AMINO_ACIDS, UNKNOWN, Complex
from ppi.effects.mutations import Mutation
from ppi.errors import InputError
from ppi.prediction.scanning.choice import Variant
from ppi.prediction.scanning.labels import ChainLabels
from ppi.prediction.scanning.notation import Site, parse_sites

#: Most variants of a library.
MOST_VARIANTS = 1_000_000
_FORM = "write ligand:1:57=AKR: a site, or sites such as ligand:1:57-59, and the residues that it may have"


def library_variants(
    texts: Sequence[str], wild: Complex, labels: Sequence[ChainLabels], most_mutations: int | None = None
) -> list[Variant]:
    """Return all combinations of the allowed residues, the ones with the fewest mutations first.

    The wild-type residue is allowed at every position; the wild type itself is no variant.

    Parameters
    ----------
    texts
        Each ``ligand:1:57=AKR``; several of one position add up.
    wild, labels
        The complex and its chains.
    most_mutations
        Leave out variants with more mutations.

    Raises
    ------
    InputError
        If a text has another form or does not fit the complex, a residue is no amino acid, the library holds
        the wild type alone, or it is larger than `MOST_VARIANTS`.
    """
    choices = list(filter(None, _choices(texts, wild, labels)))
    if not choices:
        raise InputError(
            f"complex {wild.id!r}: the library holds the wild type alone; allow other residues than the "
            "wild type's at one position or more"
        )
    most = min(len(choices), len(choices) if most_mutations is None else most_mutations)
    count = library_size([len(each) for each in choices], most)
    if count > MOST_VARIANTS:
        raise InputError(
            f"complex {wild.id!r}: the library has {count:,} variants of up to {most} mutations; at most "
            f"{MOST_VARIANTS:,} are ranked. Allow fewer residues or positions, or give --most-mutations"
        )
    return list(_combined(choices, most))


def library_size(choices: Sequence[int], most: int) -> int:
    """Return the number of variants with 1 to `most` mutations, for the number of mutations of each site."""
    of_mutations = [1] + [0] * most
    for count in choices:
        for mutations in range(most, 0, -1):
            of_mutations[mutations] += count * of_mutations[mutations - 1]
    return sum(of_mutations[1:])


def _combined(choices: Sequence[Sequence[Mutation]], most: int) -> Iterator[Variant]:
    for mutations in range(1, most + 1):
        for sites in combinations(choices, mutations):
            yield from product(*sites)


def _choices(texts: Sequence[str], wild: Complex, labels: Sequence[ChainLabels]) -> Iterator[list[Mutation]]:
    """Yield the mutations of each site, in the order of sides, chains and positions."""
    allowed: dict[Site, set[str]] = {}
    for text in texts:
        where, residues = _parsed(text)
        for site in parse_sites(where, wild, labels):
            allowed.setdefault(site, set()).update(residues)
    of: dict[tuple[str, int], ChainLabels] = {(label.side, label.chain): label for label in labels}
    for side, chain, position in sorted(allowed):
        label = of[side, chain]
        before = label.residues[position - 1]
        if before == UNKNOWN:
            raise InputError(
                f"complex {wild.id!r}: residue {position} of the {label} is unknown (X) and cannot be mutated"
            )
        letters = sorted(allowed[side, chain, position] - {before})
        yield [Mutation(label.side, chain, position, before, letter) for letter in letters]


def _parsed(text: str) -> tuple[str, str]:
    where, mark, residues = text.strip().partition("=")
    residues = residues.strip().upper()
    if not (where and mark and residues):
        raise InputError(f"{text!r} is no position of a library; {_FORM}")
    wrong = next((letter for letter in residues if letter not in AMINO_ACIDS), None)
    if wrong is not None:
        raise InputError(
            f"{text!r}: {wrong!r} is not an amino acid; the residues are letters of {AMINO_ACIDS}, without "
            "anything between them"
        )
    return where, residues
