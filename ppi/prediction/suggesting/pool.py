"""The variants to choose from: a file of complexes, a scan of sites, or a combinatorial library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ppi.complexes import UNKNOWN, Complex
from ppi.effects.mutations import apply_mutations, mutations_between
from ppi.errors import InputError
from ppi.prediction.adapting.reference import placed_onto
from ppi.prediction.scanning.choice import Choice, Variant
from ppi.prediction.scanning.labels import ChainLabels
from ppi.prediction.suggesting.library import library_variants

#: Complexes that an error names.
_NAMED = 3


@dataclass(frozen=True)
class Candidate:
    """A variant that may be measured.

    Attributes
    ----------
    variant
        Its mutations, in the order of sides, chains and positions; none for the reference itself.
    given
        The complex of a file; None for a variant that is made here.
    """

    variant: Variant
    given: Complex | None = None

    def of(self, wild: Complex) -> Complex:
        """Return the complex: the given one, or one that is made from the reference."""
        return self.given or apply_mutations(wild, self.variant)


def scan_pool(wild: Complex, labels: Sequence[ChainLabels], sites: Sequence[str]) -> list[Candidate]:
    """Return all single mutants of sites, or of every residue where no site is given.

    Raises
    ------
    InputError
        If a site is not in the complex.
    """
    return [Candidate(variant) for variant in Choice(sites=tuple(sites)).variants(wild, labels)]


def library_pool(
    wild: Complex, labels: Sequence[ChainLabels], library: Sequence[str], most_mutations: int | None
) -> list[Candidate]:
    """Return all variants of a library; see `ppi.prediction.suggesting.library.library_variants`."""
    return [Candidate(variant) for variant in library_variants(library, wild, labels, most_mutations)]


def listed_pool(wild: Complex, complexes: Sequence[Complex]) -> list[Candidate]:
    """Return complexes of a file as variants of the reference.

    Raises
    ------
    InputError
        If some do not differ from it by substitutions alone, or have unknown residues (X) that it has not;
        the message names them.
    """
    placed = placed_onto(complexes, wild, which="the pool")
    unknown = [item.id for item in complexes if _unknown(item) > _unknown(wild)]
    if unknown:
        shown = ", ".join(map(repr, unknown[:_NAMED])) + ", ..." * (len(unknown) > _NAMED)
        raise InputError(
            f"the pool: {shown} ({len(unknown)} complex(es)) have residues that are unknown (X) and cannot "
            "be made; give their amino acids"
        )
    return [
        Candidate(mutations_between(wild, there, skip_unknown=True), item)
        for item, there in zip(complexes, placed, strict=True)
    ]


def _unknown(item: Complex) -> int:
    return sum(chain.count(UNKNOWN) for chain in item.chains)
