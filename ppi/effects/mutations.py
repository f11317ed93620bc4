"""Point mutations of a complex: written, read, checked and applied."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ppi.complexes import AMINO_ACIDS, UNKNOWN, Complex
from ppi.errors import InputError

Side = Literal["ligand", "receptor"]
SIDES: tuple[Side, ...] = ("ligand", "receptor")

_NOTATION = re.compile(
    r"((?P<side>ligand|receptor):(?P<chain>[1-9][0-9]*):)?(?P<wild>[A-Z])(?P<position>[0-9]+)(?P<mutant>[A-Z])"
)
#: Residues shown on each side of one that does not fit.
_SHOWN = 2
_FORMS = "write ligand:1:H102A (side, chain counted from 1, wild type, position, mutant) or H102A"


@dataclass(frozen=True, order=True)
class Mutation:
    """One residue exchanged for another; printed as ``ligand:1:H102A``.

    Attributes
    ----------
    side
        ``ligand`` or ``receptor``.
    chain
        Index of the chain in its side, counted from 1.
    position
        Position of the residue in its chain, counted from 1 and without regard to residue numbers of a
        structure.
    wild, mutant
        One-letter codes of the residue before and after.

    Raises
    ------
    InputError
        If the side, the chain, the position or a residue cannot be, or both residues are the same.
    """

    side: Side
    chain: int
    position: int
    wild: str
    mutant: str

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise InputError(f"the side of a mutation is {self.side!r}; it is 'ligand' or 'receptor'")
        if self.chain < 1 or self.position < 1:
            raise InputError(f"mutation {self}: chains and positions are counted from 1")
        for residue in (self.wild, self.mutant):
            if len(residue) != 1 or residue not in AMINO_ACIDS:
                raise InputError(
                    f"mutation {self}: {residue!r} is not an amino acid; it is one of {AMINO_ACIDS}"
                )
        if self.wild == self.mutant:
            raise InputError(
                f"mutation {self}: the mutant equals the wild type; leave out what does not change"
            )

    def __str__(self) -> str:
        return f"{self.side}:{self.chain}:{self.wild}{self.position}{self.mutant}"

    @property
    def site(self) -> tuple[Side, int, int]:
        """Side, chain and position: what two mutations of one variant must not share."""
        return self.side, self.chain, self.position

    def reversed(self) -> Mutation:
        """Return the mutation that takes this one back."""
        return replace(self, wild=self.mutant, mutant=self.wild)


def is_mutation(text: str) -> bool:
    """Say whether a text has the form of a mutation that `parse_mutation` reads."""
    return _NOTATION.fullmatch(text.strip()) is not None


def parse_mutation(text: str, wild: Complex, forms: str = _FORMS) -> Mutation:
    """Read a mutation of a complex.

    Parameters
    ----------
    text
        ``ligand:1:H102A``, or ``H102A`` where only one chain of the complex has this wild type at this
        position.
    wild
        The complex before the mutation.
    forms
        What the error about a text of another form advises.

    Raises
    ------
    InputError
        If the text has another form, the mutation does not fit the complex, or the short form fits no chain
        or several.
    """
    found = _NOTATION.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{text!r} is no mutation; {forms}")
    position = int(found["position"])
    if found["side"]:
        side: Side = "ligand" if found["side"] == "ligand" else "receptor"
        mutation = Mutation(side, int(found["chain"]), position, found["wild"], found["mutant"])
        check_mutations(wild, [mutation])
        return mutation
    fitting = [
        Mutation(side, number, position, found["wild"], found["mutant"])
        for side in SIDES
        for number, residues in enumerate(getattr(wild, side), start=1)
        if position >= 1 and residues[position - 1 : position] == found["wild"]
    ]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InputError(
            f"{text!r} fits {len(fitting)} chains of complex {wild.id!r}; "
            f"say which is meant: {' or '.join(map(str, fitting))}"
        )
    there = ", ".join(
        f"{residues[position - 1]} in {side} chain {number}"
        for side in SIDES
        for number, residues in enumerate(getattr(wild, side), start=1)
        if 1 <= position <= len(residues)
    )
    raise InputError(
        f"{text!r} fits no chain of complex {wild.id!r}: position {position} is "
        f"{there or 'behind the end of every chain'}"
    )


def check_mutations(wild: Complex, mutations: Sequence[Mutation]) -> None:
    """Raise unless mutations fit a complex and lie at different positions.

    Raises
    ------
    InputError
        If a chain or position is not there, another residue is there, or two mutations share a position; the
        message names the mutation, the complex and the residue that is there.
    """
    for mutation in mutations:
        chains: tuple[str, ...] = getattr(wild, mutation.side)
        where = f"mutation {mutation} of complex {wild.id!r}"
        if mutation.chain > len(chains):
            raise InputError(f"{where}: the {mutation.side} has {len(chains)} chain(s)")
        residues = chains[mutation.chain - 1]
        if mutation.position > len(residues):
            raise InputError(
                f"{where}: {mutation.side} chain {mutation.chain} has {len(residues)} residues; "
                "positions are counted from 1 along the sequence"
            )
        there = residues[mutation.position - 1]
        if there != mutation.wild:
            raise InputError(
                f"{where}: the wild type does not fit: position {mutation.position} is {there}, "
                f"not {mutation.wild} (neighbours {neighbours_of(residues, mutation.position)})"
            )
    sites = [mutation.site for mutation in mutations]
    twice = [str(mutation) for mutation in mutations if sites.count(mutation.site) > 1]
    if twice:
        raise InputError(f"complex {wild.id!r}: {' and '.join(twice)} change the same position; keep one")


def neighbours_of(residues: str, position: int, numbers: Sequence[str] | None = None) -> str:
    """Return the residues around a position with their numbers: ``99:D 100:Y [101:W] 102:G``.

    Parameters
    ----------
    residues
        Residues of the chain.
    position
        Counted from 1.
    numbers
        What each residue is called; by default its position.
    """
    first, last = max(1, position - _SHOWN), min(len(residues), position + _SHOWN)
    shown = [
        f"{place if numbers is None else numbers[place - 1]}:{residues[place - 1]}"
        for place in range(first, last + 1)
    ]
    shown[position - first] = f"[{shown[position - first]}]"
    return " ".join(shown)


def apply_mutations(wild: Complex, mutations: Sequence[Mutation]) -> Complex:
    """Return the mutant, without a pKd; its id is that of the wild type and the mutations.

    Raises
    ------
    InputError
        As `check_mutations` raises it.
    """
    check_mutations(wild, mutations)
    if not mutations:
        return wild
    changed = {side: [list(chain) for chain in getattr(wild, side)] for side in SIDES}
    for mutation in mutations:
        changed[mutation.side][mutation.chain - 1][mutation.position - 1] = mutation.mutant
    ligand, receptor = (tuple("".join(chain) for chain in changed[side]) for side in SIDES)
    name = f"{wild.id} {' '.join(map(str, sorted(mutations)))}"
    return Complex(name, ligand, receptor)


def mutations_between(wild: Complex, mutant: Complex, *, skip_unknown: bool = False) -> tuple[Mutation, ...]:
    """Return the mutations that turn one complex into another, in the order of sides, chains, positions.

    Parameters
    ----------
    wild, mutant
        Before and after.
    skip_unknown
        Leave out positions at which a residue is unknown (X).

    Raises
    ------
    InputError
        If the sides differ in the number or the lengths of their chains, or a differing residue is unknown
        and is not to be left out.
    """
    return tuple(_differences(wild, mutant, skip_unknown))


def _differences(wild: Complex, mutant: Complex, skip_unknown: bool) -> Iterable[Mutation]:
    for side in SIDES:
        before, after = getattr(wild, side), getattr(mutant, side)
        lengths = [[len(chain) for chain in chains] for chains in (before, after)]
        if lengths[0] != lengths[1]:
            raise InputError(
                f"the {side} of {wild.id!r} has chains of {lengths[0]} residues, that of {mutant.id!r} "
                f"{lengths[1]}; only complexes that differ by point mutations can be compared"
            )
        for number, pair in enumerate(zip(before, after, strict=True), start=1):
            for position, (old, new) in enumerate(zip(*pair, strict=True), start=1):
                if old != new and not (skip_unknown and UNKNOWN in (old, new)):
                    yield Mutation(side, number, position, old, new)
