"""The record of a complex with two sides, each of one or more chains."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from numbers import Real

from ppi.errors import InputError, PpiWarning

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
UNKNOWN = "X"
#: Selenocysteine, pyrrolysine and the ambiguous B and Z, which most models do not distinguish.
REPLACED_BY_UNKNOWN = "BOUZ"
#: Separators between the chains of a side, in files and in tables.
CHAIN_SEPARATOR = ":"

#: Range of -log10(Kd / M) outside which a number is in another unit: Kd from 1e-20 to 100 mol/L.
LOWEST_PKD, HIGHEST_PKD = -2.0, 20.0
# A chain of this length with only these letters is probably not a protein.
_NUCLEOTIDES, _LEAST_LENGTH, _LEAST_KINDS = frozenset("ACGTU"), 20, 3

_CLEAN = re.compile(f"[{AMINO_ACIDS}{UNKNOWN}]+")
_NOT_RESIDUE = re.compile(f"[^{AMINO_ACIDS}{UNKNOWN}{REPLACED_BY_UNKNOWN}]")
_REPLACE = str.maketrans(dict.fromkeys(REPLACED_BY_UNKNOWN, UNKNOWN))


@dataclass(frozen=True)
class Complex:
    """A protein complex.

    Sequences are converted to upper case, white space and one trailing stop (``*``) are removed, and B, O, U
    and Z become X; `notes` records these changes.

    Attributes
    ----------
    id
        Name of the complex, not empty.
    ligand, receptor
        Sequences of the chains of each side, in order; at least one chain per side.
    pkd
        Measured -log10(Kd / M), or None.
    notes
        Changes of the sequences when the record was made.

    Raises
    ------
    InputError
        If the id or a side is empty, a chain is empty or has another character, or the pKd is not a number
        from -2 to 20; the message names the complex, the side, the chain and the position, counted from 1.
    """

    id: str
    ligand: tuple[str, ...]
    receptor: tuple[str, ...]
    pkd: float | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id.strip():
            raise InputError(f"the id of a complex is {self.id!r}; give a name that is not empty")
        notes: list[str] = []
        for side in ("ligand", "receptor"):
            chains = getattr(self, side)
            if isinstance(chains, str):
                raise InputError(
                    f"complex {self.id!r}: the {side} is a string; give a tuple of chains, "
                    'such as ("EVQL", "DIQM")'
                )
            if not chains:
                raise InputError(f"complex {self.id!r} has no {side}; give one or more chains")
            clean = tuple(
                clean_chain(chain, f"complex {self.id!r}, {side} chain {number}", notes)
                for number, chain in enumerate(chains, start=1)
            )
            object.__setattr__(self, side, clean)
        number = isinstance(self.pkd, Real)
        if self.pkd is not None and not (number and LOWEST_PKD <= self.pkd <= HIGHEST_PKD):
            raise InputError(
                f"complex {self.id!r}: pkd is {self.pkd!r}; -log10(Kd / M) is a number from {LOWEST_PKD:g} "
                f"to {HIGHEST_PKD:g}. Is it in another unit?"
            )
        object.__setattr__(self, "notes", tuple(notes))

    @property
    def chains(self) -> tuple[str, ...]:
        """Sequences of all chains, ligand first."""
        return self.ligand + self.receptor


def split_side(text: str) -> tuple[str, ...]:
    """Split the text of a side at ``:`` or ``,`` into chains; empty chains are kept, and rejected later."""
    return tuple(re.split(r"[:,]", text))


def check_chain(text: str, where: str) -> str:
    """Return the residues of a chain in upper case, without white space and a trailing stop.

    Raises
    ------
    InputError
        If it is empty or has another character; the message begins with `where`.
    """
    if not isinstance(text, str):
        raise InputError(f"{where} is {text!r}; give a string of residues")
    # Letters outside ASCII are kept, and rejected later: upper() would convert a sharp s to SS.
    letters = "".join(text.split()).removesuffix("*")
    if letters.isascii():
        letters = letters.upper()
    if not letters:
        raise InputError(f"{where} is empty; give its residues")
    wrong = _NOT_RESIDUE.search(letters)
    if wrong:
        raise InputError(f"{where}, position {wrong.start() + 1}: {_describe(wrong.group())}")
    return letters


@lru_cache(16_384)
def _is_clean(text: str) -> bool:
    """Return whether a chain needs no change; the result is cached, because chains occur in many
    complexes.
    """
    return _CLEAN.fullmatch(text) is not None and not set(text) <= _NUCLEOTIDES


def looks_like_nucleotides(letters: str) -> bool:
    """Return whether a chain has only letters of nucleotides, at least three kinds of them."""
    kinds = set(letters)
    return kinds <= _NUCLEOTIDES and len(letters) >= _LEAST_LENGTH and len(kinds) >= _LEAST_KINDS


def clean_chain(text: str, where: str, notes: list[str]) -> str:
    """Return the residues of a chain in the form of a `Complex`; changes are added to `notes`.

    Raises
    ------
    InputError
        If it is empty or has another character; the message begins with `where`.
    """
    if isinstance(text, str) and _is_clean(text):
        return text
    letters = check_chain(text, where)
    if looks_like_nucleotides(letters):
        warnings.warn(
            f"{where} has only the letters A, C, G, T or U; if it is a nucleotide sequence, give the protein",
            PpiWarning,
            stacklevel=2,
        )
    chain = letters.translate(_REPLACE)
    if chain != letters:
        replaced = sorted(set(letters) & set(REPLACED_BY_UNKNOWN))
        notes.append(f"{where}: {', '.join(replaced)} replaced by {UNKNOWN}")
    return chain


def _describe(character: str) -> str:
    if character == "-":
        return "'-' is a gap of an alignment; give the sequence without gaps"
    if character == "*":
        return "'*' is a stop codon inside the sequence; only one at the end is accepted"
    if character.isdecimal():
        return f"{character!r} is not an amino acid; remove the numbers, and give the residues only"
    return (
        f"{character!r} is not an amino acid; the 20 one-letter codes and X are accepted "
        f"({', '.join(REPLACED_BY_UNKNOWN)} become X)"
    )
