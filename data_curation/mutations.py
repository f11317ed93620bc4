"""Point mutations: read, checked against the structure, applied."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data_curation.errors import MutationError

_LETTERS = "ACDEFGHIKLMNPQRSTVWY"
_SITE = rf"(?P<number>-?\d+)(?P<insertion>[A-Za-z]?)(?P<mutant>[{_LETTERS}])"
_WITH_CHAIN = re.compile(rf"(?P<chain>[A-Za-z0-9]+)_(?P<wild_type>[{_LETTERS}]){_SITE}")
_SKEMPI = re.compile(rf"(?P<wild_type>[{_LETTERS}])(?P<chain>[A-Za-z]){_SITE}")
#: Residues shown on either side of one that does not fit.
_NEIGHBOURS = 2

#: Residue number and insertion code, the latter empty where there is none.
Site = tuple[int, str]


@dataclass(frozen=True)
class Mutation:
    """One substitution, e.g. ``I_L38G``: leucine 38 of chain I becomes glycine.

    Attributes
    ----------
    chain
        Chain identifier.
    wild_type, mutant
        One-letter codes.
    number, insertion
        Residue number of the structure file, which may be negative, and insertion code or "".
    """

    chain: str
    wild_type: str
    number: int
    insertion: str
    mutant: str

    def __str__(self) -> str:
        return f"{self.chain}_{self.wild_type}{self.number}{self.insertion}{self.mutant}"


@dataclass(frozen=True)
class MutatedChain:
    """A chain after its mutations.

    Attributes
    ----------
    sequence
        Residues, one-letter code.
    already_applied
        Mutations whose mutant residue the structure has already.
    """

    sequence: str
    already_applied: tuple[Mutation, ...]


def parse_mutations(text: str) -> tuple[Mutation, ...]:
    """Read mutations separated by ``,`` or ``;``; an empty text has none.

    Accepted are ``CHAIN_WTposMUT`` (``I_L38G``, ``AA_T-3S``, ``H_S100aG``) and the SKEMPI form (``LI38G``), whose
    chain is one letter.

    Raises
    ------
    MutationError
        If one is written otherwise, or one residue is mutated twice.
    """
    mutations = tuple(_parse(part.strip()) for part in re.split("[,;]", text) if part.strip())
    seen: dict[tuple[str, int, str], Mutation] = {}
    for mutation in mutations:
        site = (mutation.chain, mutation.number, mutation.insertion.upper())
        if site in seen:
            raise MutationError(f"mutations {seen[site]} and {mutation} change the same residue")
        seen[site] = mutation
    return mutations


def _parse(text: str) -> Mutation:
    match = _WITH_CHAIN.fullmatch(text) or _SKEMPI.fullmatch(text)
    if match is None:
        raise MutationError(
            f"mutation {text!r} cannot be read; CHAIN_WTposMUT (I_L38G, H_S100aG) or the SKEMPI form (LI38G) "
            "was expected"
        )
    return Mutation(
        chain=match["chain"],
        wild_type=match["wild_type"],
        number=int(match["number"]),
        insertion=match["insertion"],
        mutant=match["mutant"],
    )


def apply_mutations(
    sequence: str, positions: Mapping[Site, int], mutations: Sequence[Mutation]
) -> MutatedChain:
    """Apply the mutations of one chain, each checked against the residue that it changes.

    Parameters
    ----------
    sequence
        Residues of the chain.
    positions
        Where in `sequence` each numbered residue stands, in chain order.
    mutations
        All of this chain.

    Raises
    ------
    MutationError
        If a residue is not there, or is neither the wild type nor the mutant; the message shows its
        neighbours, so that a shifted numbering can be seen.
    """
    residues = list(sequence)
    already = []
    for mutation in mutations:
        position = _position(positions, mutation)
        if position is None:
            raise MutationError(
                f"mutation {mutation}: chain {mutation.chain} has no residue "
                f"{mutation.number}{mutation.insertion} ({_near(sequence, positions, mutation)})"
            )
        found = sequence[position]
        if found == mutation.wild_type:
            residues[position] = mutation.mutant
        elif found == mutation.mutant:
            already.append(mutation)
        else:
            raise MutationError(
                f"mutation {mutation}: residue {mutation.number}{mutation.insertion} of chain "
                f"{mutation.chain} is {found}, not {mutation.wild_type} "
                f"({_near(sequence, positions, mutation)})"
            )
    return MutatedChain("".join(residues), tuple(already))


def shift_that_fits(
    sequence: str, positions: Mapping[Site, int], mutations: Sequence[Mutation]
) -> int | None:
    """Return the shift of residue numbers, -1 or 1, with which every mutation of a chain finds its wild type.

    None if the mutations fit as they are, if neither or both shifts fit, or if fewer than two positions
    speak for one: a single residue fits by chance.

    Parameters
    ----------
    sequence, positions
        As for `apply_mutations`.
    mutations
        All mutations of this chain, of all rows that share its numbering.
    """

    def fits(shift: int) -> bool:
        sites = ((positions.get((m.number + shift, m.insertion)), m.wild_type) for m in mutations)
        return all(place is not None and sequence[place] == wild_type for place, wild_type in sites)

    if len({(m.number, m.insertion) for m in mutations}) < 2 or fits(0):
        return None
    shifts = [shift for shift in (-1, 1) if fits(shift)]
    return shifts[0] if len(shifts) == 1 else None


def _position(positions: Mapping[Site, int], mutation: Mutation) -> int | None:
    """Find a residue; SKEMPI writes insertion codes in lower case."""
    for insertion in (mutation.insertion, mutation.insertion.upper(), mutation.insertion.lower()):
        if (mutation.number, insertion) in positions:
            return positions[mutation.number, insertion]
    return None


def _near(sequence: str, positions: Mapping[Site, int], mutation: Mutation) -> str:
    """Show the residues around a number, e.g. ``neighbours 6:F 7:A [8:N] 9:K 10:A``."""
    sites = sorted(positions, key=lambda site: positions[site])
    if not sites:
        return "the chain has no numbered residue"
    centre = min(range(len(sites)), key=lambda i: abs(sites[i][0] - mutation.number))
    exact = _position(positions, mutation)
    if exact is not None:
        centre = next(i for i, site in enumerate(sites) if positions[site] == exact)
    shown = []
    for site in sites[max(0, centre - _NEIGHBOURS) : centre + _NEIGHBOURS + 1]:
        text = f"{site[0]}{site[1]}:{sequence[positions[site]]}"
        shown.append(f"[{text}]" if positions[site] == exact else text)
    return "neighbours " + " ".join(shown)
