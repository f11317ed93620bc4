"""The variants to choose from: a file of complexes, a scan of sites, or a combinatorial library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ppi.complexes import Complex
from ppi.effects.mutations import apply_mutations, mutations_between
from ppi.errors import InputError
from ppi.prediction.scanning.choice import Choice, Variant
from ppi.prediction.scanning.labels import ChainLabels
from ppi.prediction.suggesting.library import library_variants

#: Complexes that an error names.
_NAMED = 5


@dataclass(frozen=True)
class Candidate:
    """A variant that may be measured.

    Attributes
    ----------
    variant
        Its mutations, in the order of sides, chains and positions; none for the reference itself.
    id
        Its name in a file; None for a variant that was made here.
    """

    variant: Variant
    id: str | None = None

    def of(self, wild: Complex) -> Complex:
        """Return the complex, made from the reference."""
        made = apply_mutations(wild, self.variant)
        return made if self.id is None else replace(made, id=self.id)


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
        If some do not differ from it by substitutions alone; the message names them.
    """
    candidates, wrong, reason = list[Candidate](), list[str](), ""
    for item in complexes:
        try:
            candidates.append(Candidate(mutations_between(wild, item), item.id))
        except InputError as error:
            wrong.append(item.id)
            reason = reason or str(error)
    if wrong:
        shown = ", ".join(map(repr, wrong[:_NAMED])) + (", ..." if len(wrong) > _NAMED else "")
        raise InputError(
            f"{len(wrong)} of {len(complexes)} complexes of the pool do not differ from the reference "
            f"{wild.id!r} by substitutions of amino acids alone: {shown}. Leave them out. The first: {reason}"
        )
    return candidates
