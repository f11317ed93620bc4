"""Complexes from FASTA files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ppi.complexes import Complex, check_chain, split_side
from ppi.errors import InputError
from ppi.io.antibody_chains import warn_of_separate_chains
from ppi.io.text import read_text

ACCEPTED_FORMS = (
    "accepted forms: one record a side, '>ID|ligand' and '>ID|receptor', chains joined by ':' "
    "(EVQLVESGG:DIQMTQSPS); or one record a chain, '>ID|ligand|H', '>ID|ligand|L', '>ID|receptor|A'"
)
#: The same, and what to do with records that are single sides.
_FORMS_OF_COMPLEXES = (
    f"{ACCEPTED_FORMS}. Files of single sides are given to ppi predict as --ligand designs.fasta --receptor "
    "antigen.fasta"
)
#: Id (blanks allowed inside), role and perhaps a chain, then the end or a blank and any text.
_HEADER = re.compile(r"\s*([^|]*[^|\s])\s*\|\s*([^|\s]+)(?:\s*\|\s*([^|\s]+))?(?=\s|$)")


_ROLES = ("ligand", "receptor")


class FastaRecord(NamedTuple):
    """A FASTA record: 1-based line of its header, header without ``>``, residues as written."""

    line: int
    header: str
    sequence: str


def parse_fasta(text: str, path: Path | str, forms: str = ACCEPTED_FORMS) -> Iterator[FastaRecord]:
    """Yield the records of the text of a FASTA file; `forms` ends the errors, and says what is accepted.

    Raises
    ------
    InputError
        If the text is empty, or something stands before the first header; the message begins with `path`.
    """
    if not text.strip():
        raise InputError(f"{path}: the file is empty; {forms}")
    header: str | None = None
    start = 0
    parts: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith(">"):
            if header is not None:
                yield FastaRecord(start, header, "".join(parts))
            header, start, parts = line[1:].strip(), number, []
        elif header is not None:
            parts.append(line.strip())
        elif line.strip():
            raise InputError(
                f"{path}, line {number}: this is before any header, which starts with '>'; {forms}"
            )
    if header is not None:
        yield FastaRecord(start, header, "".join(parts))


def read_fasta(path: Path) -> list[Complex]:
    """Read a FASTA file in which each complex has an id, a ligand and a receptor.

    Parameters
    ----------
    path
        Records ``>ID|ligand`` and ``>ID|receptor`` with chains joined by ``:``, or one record a chain,
        ``>ID|ligand|H``. Plain or gzip.

    Returns
    -------
    list of Complex
        In the order in which their ids first occur.

    Raises
    ------
    InputError
        If a header has another form, a side is missing or given twice, or a sequence is wrong; the
        message names the file, the line and the record.
    """
    return complexes_from_fasta(read_text(path), path)


class NamedComplex(NamedTuple):
    """A complex, and the names of the chains of its sides, where its records give them."""

    complex: Complex
    ligand: tuple[str, ...]
    receptor: tuple[str, ...]


def complexes_from_fasta(text: str, path: Path | str) -> list[Complex]:
    """Return the complexes of the text of a FASTA file; `read_fasta` says what it may hold.

    Raises
    ------
    InputError
        As `read_fasta` raises it; the message begins with `path`.
    """
    return [found.complex for found in named_complexes_from_fasta(text, path)]


def named_complexes_from_fasta(text: str, path: Path | str) -> list[NamedComplex]:
    """Return the same complexes with the names of their chains.

    Raises
    ------
    InputError
        As `read_fasta` raises it; the message begins with `path`.
    """
    sides: dict[tuple[str, str], _Side] = {}
    first_line: dict[str, int] = {}
    for record in parse_fasta(text, path):
        where = f"{path}, line {record.line}, record '>{record.header}'"
        name, role, chain = _parse_header(record.header, where)
        first_line.setdefault(name, record.line)
        sides.setdefault((name, role), _Side()).add(chain, record.sequence, where)
    complexes = []
    for name, line in first_line.items():
        for role, other in (("ligand", "receptor"), ("receptor", "ligand")):
            if (name, role) not in sides:
                raise InputError(
                    f"{path}, line {line}: complex {name!r} has a {other} but no {role}; "
                    f"{_FORMS_OF_COMPLEXES}"
                )
        ligand, receptor = (sides[name, role] for role in ("ligand", "receptor"))
        item = Complex(name, tuple(ligand.chains), tuple(receptor.chains))
        complexes.append(NamedComplex(item, ligand.given_names, receptor.given_names))
    return complexes


def read_side_pairs(ligand_path: Path, receptor_path: Path) -> list[Complex]:
    """Pair the records of two FASTA files, each record one side, by order; a single record with all others.

    The id is the ligand's name, or ``ligand|receptor`` where the two names differ.

    Raises
    ------
    InputError
        If the files have different numbers of records and neither has one, an id occurs twice, or a sequence
        is wrong.
    """
    ligands, receptors = (list(parse_fasta(read_text(path), path)) for path in (ligand_path, receptor_path))
    warn_of_separate_chains(ligands, ligand_path)
    warn_of_separate_chains(receptors, receptor_path)
    pairs = max(len(ligands), len(receptors))
    if not {len(ligands), len(receptors)} <= {pairs, 1}:
        raise InputError(
            f"{ligand_path} has {len(ligands)} records and {receptor_path} has {len(receptors)}. Records are "
            "paired by order: give as many of each, or a single record on one side, which is paired with all"
        )
    ligands, receptors = (side * pairs if len(side) == 1 else side for side in (ligands, receptors))
    complexes: dict[str, Complex] = {}
    for ligand, receptor in zip(ligands, receptors, strict=True):
        where = f"{ligand_path}, line {ligand.line}, and {receptor_path}, line {receptor.line}"
        names = [first_word(ligand, ligand_path), first_word(receptor, receptor_path)]
        name = "|".join(dict.fromkeys(names))
        try:
            pair = Complex(name, split_side(ligand.sequence), split_side(receptor.sequence))
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        if name in complexes:
            raise InputError(f"{where}: the id {name!r} occurs twice; each pair needs a name of its own")
        complexes[name] = pair
    return list(complexes.values())


class _Side:
    """The chains of one side while its records are read."""

    def __init__(self) -> None:
        self.chains: list[str] = []
        self.names: dict[str, tuple[str, ...]] = {}

    @property
    def given_names(self) -> tuple[str, ...]:
        """Names of the chains; none for a side of one record."""
        return tuple(filter(None, self.names))

    def add(self, name: str, text: str, where: str) -> None:
        chains = split_side(text)
        if name in self.names:
            if self.names[name] == chains:
                raise InputError(f"{where}: the record is given twice")
            raise InputError(f"{where}: the same id and side occur twice with different sequences")
        if self.names and "" in (name, *self.names):
            raise InputError(f"{where}: the side is given both as one record and chain by chain")
        if name and len(chains) > 1:
            raise InputError(f"{where}: a record that names one chain holds {len(chains)}")
        for number, chain in enumerate(chains, start=1):
            check_chain(chain, f"{where}, chain {number}")
        self.names[name] = chains
        self.chains.extend(chains)


def _parse_header(header: str, where: str) -> tuple[str, str, str]:
    """Return id, role and chain name (empty for a whole side); text after a blank is ignored."""
    form = _HEADER.match(header)
    if form is None:
        raise InputError(f"{where}: the header has another form; {_FORMS_OF_COMPLEXES}")
    name, role, chain = form.groups(default="")
    if role.lower() not in _ROLES:
        raise InputError(f"{where}: {role!r} is neither 'ligand' nor 'receptor'; {_FORMS_OF_COMPLEXES}")
    return name.strip(), role.lower(), chain


def refuse_complexes(records: Iterable[FastaRecord], path: Path | str) -> None:
    """Raise if a header names a side of a complex, in a file whose records are sides of their own.

    Raises
    ------
    InputError
        If one does.
    """
    for record in records:
        form = _HEADER.match(record.header)
        if form is not None and form[2].lower() in _ROLES:
            raise InputError(
                f"{path}, line {record.line}, record '>{record.header}': {form[2]!r} in a header is for "
                "files of complexes, which `ppi predict` reads; in a file of sides write one record a side, "
                f"such as '>{form[1].strip()}', chains joined by ':', and the partners in another file"
            )


def first_word(record: FastaRecord, path: Path | str) -> str:
    """Return the name of a record whose header has no form of its own.

    Raises
    ------
    InputError
        If the header is empty.
    """
    words = record.header.split()
    if not words:
        raise InputError(f"{path}, line {record.line}: the header is empty; give a name")
    return words[0]
