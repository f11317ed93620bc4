"""Parse point mutations from tables and apply them to the chains of a structure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from data_curation.errors import MutationError
from data_curation.structures.chains import StructureChain
from data_curation.structures.residues import STANDARD_RESIDUES

_LETTERS = "".join(sorted(STANDARD_RESIDUES.values()))
_WILD_TYPE, _MUTANT = rf"(?P<wild_type>[{_LETTERS}])", rf"(?P<mutant>[{_LETTERS}])"
_SITE = r"(?P<number>-?[0-9]+)(?P<insertion>[A-Za-z]?)"
_FORMS = (
    re.compile(rf"(?P<chain>[A-Za-z0-9]+)_{_WILD_TYPE}{_SITE}{_MUTANT}"),
    re.compile(rf"{_WILD_TYPE}(?P<chain>[A-Za-z0-9]){_SITE}{_MUTANT}"),
)
# Number of neighbours on each side that the message shows for a residue that does not fit.
_SHOWN = 2


@dataclass(frozen=True)
class Mutation:
    """A point mutation: one residue is replaced by another.

    `chain` is the author's chain name, `number` and `insertion` (``""`` if none) identify the residue, and
    `wild_type` and `mutant` are one-letter codes.
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
    """A chain's sequence with mutations, those that were applied, and those already in the structure."""

    sequence: str
    applied: tuple[Mutation, ...]
    already_applied: tuple[Mutation, ...]


def parse_mutation(text: str) -> Mutation:
    """Read ``I_L38G`` (chain ``I``, leucine 38 to glycine), or the same in the form of SKEMPI, ``LI38G``.

    A number may be negative and may have an insertion code: ``H_S100aA``.

    Raises
    ------
    MutationError
        If `text` has neither form.
    """
    for form in _FORMS:
        if found := form.fullmatch(text.strip()):
            return Mutation(
                found["chain"], found["wild_type"], int(found["number"]), found["insertion"], found["mutant"]
            )
    raise MutationError(
        f"{text!r} is no mutation: write I_L38G (chain, wild type, number, mutant) or LI38G (wild type, "
        f"one-character chain, number, mutant), with letters of {_LETTERS}"
    )


def parse_mutations(text: str) -> tuple[Mutation, ...]:
    """Read mutations separated by ``,`` or ``;``; a blank text gives none, and duplicates count once.

    Raises
    ------
    MutationError
        If one of them has no accepted form.
    """
    if not text.strip():
        return ()
    return tuple(dict.fromkeys(parse_mutation(part) for part in re.split("[,;]", text)))


def apply_mutations(chain: StructureChain, mutations: Sequence[Mutation]) -> MutatedChain:
    """Apply mutations of one chain to its sequence.

    Raises
    ------
    MutationError
        If a mutation names another chain, a residue that was not observed, or one that is neither its wild
        type nor its mutant; or if two mutations name one residue.
    """
    letters = list(chain.sequence)
    mutated: dict[int, Mutation] = {}
    already = []
    for mutation in mutations:
        position = _position(chain, mutation)
        if position is None:
            raise MutationError(f"mutation {mutation}: {_no_residue(chain, mutation)}")
        if position in mutated:
            raise MutationError(f"mutation {mutation}: {mutated[position]} names the same residue")
        mutated[position] = mutation
        found = chain.sequence[position]
        if found == mutation.wild_type:
            letters[position] = mutation.mutant
        elif found == mutation.mutant:
            already.append(mutation)
        else:
            raise MutationError(f"mutation {mutation}: {_other_residue(chain, mutation, position)}")
    applied = tuple(mutation for mutation in mutations if mutation not in already)
    return MutatedChain("".join(letters), applied, tuple(already))


def shift_that_fits(chain: StructureChain, mutations: Sequence[Mutation]) -> int | None:
    """Find a numbering error: the only shift, -1 or +1, with which every mutation matches its wild type.

    Returns
    -------
    int or None
        Shift to add to the numbers. None if the mutations fit without a shift, both shifts fit or neither
        does, or fewer than two positions are mutated: a single residue fits by chance too often.
    """
    places = {(mutation.number, mutation.insertion) for mutation in mutations}
    if len(places) < 2 or _fits(chain, mutations, 0):
        return None
    fitting = [shift for shift in (-1, 1) if _fits(chain, mutations, shift)]
    return fitting[0] if len(fitting) == 1 else None


def _fits(chain: StructureChain, mutations: Sequence[Mutation], shift: int) -> bool:
    for mutation in mutations:
        position = _position(chain, replace(mutation, number=mutation.number + shift))
        if position is None or chain.sequence[position] != mutation.wild_type:
            return False
    return True


def _position(chain: StructureChain, mutation: Mutation) -> int | None:
    if mutation.chain != chain.name:
        raise MutationError(f"mutation {mutation} is not one of chain {chain.name}")
    insertions = (mutation.insertion, mutation.insertion.upper(), mutation.insertion.lower())
    places = ((mutation.number, insertion) for insertion in insertions)
    return next((chain.positions[place] for place in places if place in chain.positions), None)


def _other_residue(chain: StructureChain, mutation: Mutation, position: int) -> str:
    places = list(chain.positions)
    here = list(chain.positions.values()).index(position)
    shown = [_shown(chain, place) for place in places[max(0, here - _SHOWN) : here + _SHOWN + 1]]
    middle = min(here, _SHOWN)
    shown[middle] = f"[{shown[middle]}]"
    label = f"{mutation.number}{mutation.insertion}"
    found = chain.sequence[position]
    return (
        f"residue {label} of chain {chain.name} is {found}, not {mutation.wild_type} "
        f"(neighbours {' '.join(shown)})"
    )


def _no_residue(chain: StructureChain, mutation: Mutation) -> str:
    places = list(chain.positions)
    nearest = sorted(places, key=lambda place: abs(place[0] - mutation.number))[: 2 * _SHOWN]
    shown = " ".join(_shown(chain, place) for place in places if place in nearest)
    first, last = (f"{number}{insertion}" for number, insertion in (places[0], places[-1]))
    return (
        f"chain {chain.name} has no residue {mutation.number}{mutation.insertion} "
        f"(it has {first} to {last}; nearest {shown})"
    )


def _shown(chain: StructureChain, place: tuple[int, str]) -> str:
    number, insertion = place
    return f"{number}{insertion}:{chain.sequence[chain.positions[place]]}"
