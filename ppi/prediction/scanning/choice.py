"""Which mutants of a complex are scanned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import NamedTuple

from ppi.complexes import AMINO_ACIDS, UNKNOWN, Complex
from ppi.effects.mutations import Mutation
from ppi.errors import InputError
from ppi.io.tables import ComplexTable
from ppi.prediction.scanning.labels import ChainLabels
from ppi.prediction.scanning.notation import (
    Site,
    check_form_of_sites,
    check_form_of_variant,
    parse_sites,
    parse_variant,
)

#: Most double mutants of one complex.
MOST_PAIRS = 50_000

#: Mutations of one variant, in the order of sides, chains and positions.
Variant = tuple[Mutation, ...]


@dataclass(frozen=True)
class Choice:
    """Which mutants are scanned.

    Attributes
    ----------
    sites
        Where, as `ppi.prediction.scanning.notation.parse_sites` reads it; everywhere by default.
    alanine
        To alanine only.
    pairs
        All double mutants of the sites instead of all single ones.
    mutants
        These variants instead, as `ppi.prediction.scanning.notation.parse_variant` reads them.

    Raises
    ------
    InputError
        If mutants are given beside something else, pairs without sites, or a text has another form.
    """

    sites: tuple[str, ...] = ()
    alanine: bool = False
    pairs: bool = False
    mutants: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, sites: str | Sequence[str], mutants: str | Sequence[str], *, alanine: bool, pairs: bool
    ) -> Choice:
        """Return the choice for one text or several of each kind."""
        where, which = (
            tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given,)
            for given in (sites, mutants)
        )
        return cls(where, alanine, pairs, which)

    def __post_init__(self) -> None:
        if self.mutants and (self.sites or self.alanine or self.pairs):
            raise InputError(
                "mutants are given beside sites, alanine or pairs, which choose mutants, too; "
                "give one or the other"
            )
        if self.pairs and not self.sites:
            raise InputError("pairs need sites, two or more: all pairs of a complex are too many")
        for text in self.sites:
            check_form_of_sites(text)
        for text in self.mutants:
            check_form_of_variant(text)

    def variants(self, wild: Complex, labels: Sequence[ChainLabels]) -> list[Variant]:
        """Return the mutants of a complex, each once.

        Residues that are unknown (X) are left out, as are alanines in a scan to alanine.

        Raises
        ------
        InputError
            If a text does not fit the complex, double mutants are too many, or there is nothing to scan.
        """
        if self.mutants:
            return list(dict.fromkeys(parse_variant(text, wild, labels) for text in self.mutants))
        singles = [self._mutations_at(site, labels) for site in self._sites(wild, labels)]
        singles = [each for each in singles if each]
        if self.pairs:
            return self._doubles(wild, singles)
        if not singles:
            raise InputError(
                f"complex {wild.id!r}: there is no residue to mutate at the sites that are given"
            )
        return [(mutation,) for each in singles for mutation in each]

    def _sites(self, wild: Complex, labels: Sequence[ChainLabels]) -> list[Site]:
        texts = self.sites or [f"{label.side}:{label.chain}" for label in labels]
        return sorted({site for text in texts for site in parse_sites(text, wild, labels)})

    def _mutations_at(self, site: Site, labels: Sequence[ChainLabels]) -> list[Mutation]:
        """Return the single mutations of a site."""
        side, chain, position = site
        label = next(label for label in labels if (label.side, label.chain) == (side, chain))
        wild = label.residues[position - 1]
        letters = "A" if self.alanine else AMINO_ACIDS
        return [
            Mutation(label.side, chain, position, wild, letter)
            for letter in letters
            if UNKNOWN != wild != letter
        ]

    def _doubles(self, wild: Complex, singles: Sequence[Sequence[Mutation]]) -> list[Variant]:
        if len(singles) < 2:
            raise InputError(f"complex {wild.id!r}: pairs need two sites or more that can be mutated")
        count = sum(len(first) * len(second) for first, second in combinations(singles, 2))
        if count > MOST_PAIRS:
            raise InputError(
                f"complex {wild.id!r}: these {len(singles)} sites have {count:,} double mutants; at most "
                f"{MOST_PAIRS:,} are scanned. Give fewer sites, or alanine only"
            )
        return [both for first, second in combinations(singles, 2) for both in product(first, second)]


class AskedMutants(NamedTuple):
    """Complexes, the labels of their chains, and the mutants of each that are scanned."""

    table: ComplexTable
    labels: Sequence[tuple[ChainLabels, ...]]
    variants: Sequence[Sequence[Variant]]

    def part(self, number: int, variants: Sequence[Variant]) -> AskedMutants:
        """Return one complex, by its number, with some of its mutants."""
        chosen = [row == number for row in range(len(self.table))]
        return AskedMutants(self.table.rows(chosen), [self.labels[number]], [variants])
