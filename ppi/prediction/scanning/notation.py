"""Mutations and sites as people write them: by position, by the name of a chain, by a structure's numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ppi.complexes import Complex
from ppi.effects.mutations import SIDES, Mutation, check_mutations, is_mutation, neighbours_of, parse_mutation
from ppi.errors import InputError
from ppi.prediction.scanning.labels import ChainLabels

#: A residue of a complex: side, chain and position, as `ppi.effects.mutations.Mutation.site` has them.
Site = tuple[str, int, int]

_NUMBER = r"-?[0-9]+[A-Za-z]?"
_BY_NUMBER = re.compile(rf"(?P<chain>\w+):(?P<wild>[A-Z])(?P<number>{_NUMBER})(?P<mutant>[A-Z])")
_BY_PLACE = re.compile(r"(?P<chain>\w+):(?P<position>[0-9]+):(?P<wild>[A-Z]):(?P<mutant>[A-Z])")
_SITES = re.compile(
    rf"(?:(?P<side>ligand|receptor)(?::(?P<number>[1-9][0-9]*))?|(?P<name>\w+))"
    rf"(?::(?P<wild>[A-Z])(?P<only>{_NUMBER})|:(?P<first>{_NUMBER})(?:-(?P<last>{_NUMBER}))?)?"
)
_SITE_FORMS = (
    "write ligand, ligand:1, ligand:1:102 or ligand:1:95-102 (side, chain and position, counted from 1), "
    "or H, H:100a or H:95-102 (name of a chain and numbers of a structure); a single residue may have its "
    "letter: ligand:1:H102"
)
_FORMS = (
    "write ligand:1:H102A (side, chain counted from 1, wild type, position, mutant), H102A where one chain "
    "fits, H:Y100aA (name of a chain, wild type, number of a structure, mutant) or H:101:Y:A (name of a "
    "chain, position in it, wild type, mutant); several are joined by +"
)


def check_form_of_variant(text: object) -> None:
    """Raise unless a text has the form of a variant; whether it fits a complex is not checked.

    Raises
    ------
    InputError
        If it is no text, or one of its mutations has another form; the message gives the forms.
    """
    for part in _text(text, "mutant", _FORMS).split("+"):
        part = part.strip()
        if not (is_mutation(part) or _BY_NUMBER.fullmatch(part) or _BY_PLACE.fullmatch(part)):
            raise InputError(f"{part!r} is no mutation; {_FORMS}")


def check_form_of_sites(text: object) -> None:
    """Raise unless a text has the form of sites; whether a complex has them is not checked.

    Raises
    ------
    InputError
        If it is no text or has another form; the message gives the forms.
    """
    _match_of_sites(_text(text, "site", _SITE_FORMS))


def parse_variant(text: str, wild: Complex, labels: Sequence[ChainLabels]) -> tuple[Mutation, ...]:
    """Read the mutations of a variant, joined by ``+``.

    Parameters
    ----------
    text
        Each ``ligand:1:H102A``, ``H102A`` where one chain fits, ``H:Y100aA`` (name of a chain, and the number
        that a structure gives), or ``H:101:Y:A`` (name of a chain, and position in it).
    wild
        The complex.
    labels
        Labels of the chains of the complex.

    Raises
    ------
    InputError
        If a mutation has another form or does not fit, or two change one position.
    """
    mutations = tuple(sorted(_mutation(part.strip(), wild, labels) for part in text.split("+")))
    check_mutations(wild, mutations)
    return mutations


def parse_sites(text: str, wild: Complex, labels: Sequence[ChainLabels]) -> list[Site]:
    """Read the sites that a text stands for; the message of an error gives the forms.

    Raises
    ------
    InputError
        If the text has another form, or names a chain or residue that the complex does not have.
    """
    found, where = _match_of_sites(text), f"{text!r}, complex {wild.id!r}"
    written = [end for end in (found["only"], found["first"], found["last"]) if end]
    if not found["side"]:
        label = _named(found["name"], where, wild, labels)
        ends = [_by_number(end, label, where) for end in written]
    elif not found["number"]:
        return [site for label in labels if label.side == found["side"] for site in _all_sites(label)]
    else:
        label = _numbered(found["side"], int(found["number"]), where, labels)
        ends = [_by_place(end, label, where) for end in written]
    if not ends:
        return _all_sites(label)
    first, last = ends[0], ends[-1]
    if found["wild"]:
        _check_residue(where, label, first, found["wild"], None if found["side"] else label.numbers)
    if last < first:
        raise InputError(f"{text!r} ends before it begins; write the first residue first")
    return [(label.side, label.chain, position) for position in range(first, last + 1)]


def _match_of_sites(text: str) -> re.Match[str]:
    found = _SITES.fullmatch(text.strip())
    if found is None:
        raise InputError(f"{text!r} names no site; {_SITE_FORMS}")
    if found["side"] and (found["first"] or found["only"]) and not found["number"]:
        raise InputError(f"{text!r} names a position but no chain; {_SITE_FORMS}")
    return found


def _text(given: object, kind: str, forms: str) -> str:
    if isinstance(given, str):
        return given
    raise InputError(
        f"the {kind} {given!r} is of type {type(given).__name__}, but it must be a text: {forms}"
    )


def _all_sites(label: ChainLabels) -> list[Site]:
    return [(label.side, label.chain, place) for place in range(1, len(label.residues) + 1)]


def _mutation(text: str, wild: Complex, labels: Sequence[ChainLabels]) -> Mutation:
    by_number, by_place = _BY_NUMBER.fullmatch(text), _BY_PLACE.fullmatch(text)
    where = f"{text!r}, complex {wild.id!r}"
    if by_place is not None and by_place["chain"] not in SIDES:
        label = _named(by_place["chain"], where, wild, labels)
        position = _by_place(by_place["position"], label, where)
        return _fitting(where, label, position, by_place["wild"], by_place["mutant"], None)
    if by_number is not None and by_number["chain"] not in SIDES:
        label = _named(by_number["chain"], where, wild, labels)
        position = _by_number(by_number["number"], label, where)
        return _fitting(where, label, position, by_number["wild"], by_number["mutant"], label.numbers)
    return parse_mutation(text, wild, _FORMS)


def _fitting(
    where: str,
    label: ChainLabels,
    position: int,
    wild: str,
    mutant: str,
    numbers: Sequence[str | None] | None,
) -> Mutation:
    """Return the mutation if it meets its wild type; see `_check_residue`."""
    _check_residue(where, label, position, wild, numbers)
    return Mutation(label.side, label.chain, position, wild, mutant)


def _check_residue(
    where: str, label: ChainLabels, position: int, wild: str, numbers: Sequence[str | None] | None
) -> None:
    """Raise unless the residue there is this one; `numbers` are what an error calls the residues."""
    there = label.residues[position - 1]
    if there != wild:
        called = None if numbers is None else [each or "-" for each in numbers]
        raise InputError(
            f"{where}: the residue there is {there}, not {wild} "
            f"(neighbours {neighbours_of(label.residues, position, called)})"
        )


def _named(name: str, where: str, wild: Complex, labels: Sequence[ChainLabels]) -> ChainLabels:
    found = [label for label in labels if label.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{where}: chain {name} is {' and '.join(map(str, found))}; write side and number of the chain: "
            f"{found[0].side}:{found[0].chain}"
        )
    names = [label.name for label in labels if label.name]
    if names:
        raise InputError(f"{where}: there is no chain {name}; its chains are {', '.join(names)}")
    raise InputError(
        f"{where}: its chains have no names. Give --structure, or FASTA records such as "
        f"'>{wild.id}|ligand|H', or write side and number of the chain: ligand:1"
    )


def _numbered(side: str, number: int, where: str, labels: Sequence[ChainLabels]) -> ChainLabels:
    own = [label for label in labels if label.side == side]
    if number > len(own):
        raise InputError(f"{where}: the {side} has {len(own)} chain(s)")
    return own[number - 1]


def _by_number(number: str, label: ChainLabels, where: str) -> int:
    """Return the position of an author's number."""
    if not label.numbers:
        raise InputError(
            f"{where}: {number} is a residue number of a structure; give --structure, or write the position "
            f"in the chain: {label.side}:{label.chain}:... or, of a mutation, {label.name}:101:Y:A"
        )
    position = label.position(number)
    if position is None:
        observed = [(each, place) for place, each in enumerate(label.numbers, start=1) if each is not None]
        wanted = _integer(number)
        near = sorted(observed, key=lambda item: abs(_integer(item[0]) - wanted))[:4]
        shown = " ".join(
            f"{each}:{label.residues[place - 1]}" for each, place in sorted(near, key=lambda item: item[1])
        )
        raise InputError(
            f"{where}: chain {label.name} has no residue {number}; it has {observed[0][0]} to "
            f"{observed[-1][0]}, nearest {shown}"
        )
    return position


def _by_place(text: str, label: ChainLabels, where: str) -> int:
    position = int(text) if text.isdecimal() else 0
    if not 1 <= position <= len(label.residues):
        raise InputError(
            f"{where}: {text} is no position of {label}; it has {len(label.residues)} residues, "
            "counted from 1"
        )
    return position


def _integer(number: str) -> int:
    return int(number.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
