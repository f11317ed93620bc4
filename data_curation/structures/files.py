"""Read PDB and mmCIF files, plain or gzipped, to obtain what a chain's sequence needs.

These are the N, CA and C atoms of the first model, the deposited polymer sequences, and the parents of
modified residues.
"""

from __future__ import annotations

import gzip
import io
import math
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from Bio.PDB.PDBExceptions import PDBConstructionException
from Bio.PDB.PDBParser import PDBParser
from Bio.PDB.StructureBuilder import StructureBuilder
from gemmi import cif

from data_curation.errors import StructureError

_BACKBONE = ("N", "CA", "C")
_ATOM_RECORDS = ("ATOM  ", "HETATM")
# A PDB atom record has its coordinates in columns 31 to 54.
_COORDINATES_END = 54
_ATOM_SITE = (
    "auth_asym_id",
    "auth_seq_id",
    "pdbx_PDB_ins_code",
    "label_comp_id",
    "label_seq_id",
    "label_atom_id",
    "label_alt_id",
    "occupancy",
    "Cartn_x",
    "Cartn_y",
    "Cartn_z",
    "pdbx_PDB_model_num",
)


class Atom(NamedTuple):
    """One backbone atom.

    `insertion` and `alternate` (the alternate-location label) are ``""`` if there is none; `in_polymer` is
    True if the file itself assigns the residue to the chain; `xyz` is in angstrom.
    """

    chain: str
    number: int
    insertion: str
    residue: str
    in_polymer: bool
    name: str
    alternate: str
    occupancy: float
    xyz: tuple[float, float, float]


class Contents(NamedTuple):
    """The contents of a file: atoms in file order, residue names by chain, parents by modified residue."""

    atoms: list[Atom]
    polymers: dict[str, list[str]]
    parents: dict[str, str]


def read_contents(path: Path) -> Contents:
    """Read a structure file: mmCIF if the suffix is ``.cif``, else PDB; gzipped if ``.gz`` follows.

    Raises
    ------
    StructureError
        If the file does not exist, or it is empty, damaged or truncated.
    """
    text = _text(path)
    is_cif = path.name.lower().removesuffix(".gz").endswith(".cif")
    contents = _read_cif(path, text) if is_cif else _read_pdb(path, text)
    for atom in contents.atoms:
        if not all(map(math.isfinite, atom.xyz)):
            where = f"atom {atom.name} of residue {atom.number}{atom.insertion} of chain {atom.chain}"
            raise StructureError(f"{path}: {where} is at {atom.xyz}, which is not a valid position")
    return contents


def _text(path: Path) -> str:
    if not path.is_file():
        raise StructureError(f"{path}: no such file; give a .pdb, .ent or .cif file, plain or .gz")
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".gz":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise StructureError(f"{path}: cannot be read: {error}") from error
    # Every byte is valid Latin-1, and the parsed fields are ASCII, so free text in any encoding is harmless.
    text = data.decode("latin-1")
    if not text.strip():
        raise StructureError(f"{path}: the file is empty")
    return text


class _AtomCollector(StructureBuilder):
    """Collects the atoms that a Biopython parser finds in a flat list.

    Biopython's own residue classes drop atoms that they cannot represent, with only a warning.
    """

    def __init__(self, modified: set[str]) -> None:
        super().__init__()
        self.modified = modified
        self.atoms: list[Atom] = []

    def init_structure(self, structure_id: str) -> None:
        self.atoms = []

    def init_model(self, model_id: int, serial_num: int | None = None) -> None:
        """Ignore the model, because the parser gets only the first one."""

    def init_seg(self, segid: str) -> None:
        """Ignore the segment, because chain sequences do not depend on it."""

    def init_chain(self, chain_id: str) -> None:
        self.chain_name = chain_id

    def init_residue(self, resname: str, field: str, resseq: int, icode: str) -> None:
        in_polymer = field == " " or resname in self.modified
        self.residue_fields = (resseq, icode.strip(), resname, in_polymer)

    def init_atom(
        self, name: str, coord: Any, b_factor: float, occupancy: float | None, altloc: str, *rest: object
    ) -> None:
        # A PDB file may omit the occupancy, which then is 1.
        weight = 1.0 if occupancy is None else occupancy
        x, y, z = coord.tolist()
        self.atoms.append(
            Atom(self.chain_name, *self.residue_fields, name, altloc.strip(), weight, (x, y, z))
        )

    def get_structure(self) -> list[Atom]:
        return self.atoms


def _read_pdb(path: Path, text: str) -> Contents:
    lines = text.splitlines()
    _check_last_record(path, lines, complete=text[-1] in "\r\n")
    polymers: dict[str, list[str]] = {}
    parents = {}
    for line in lines:
        if line.startswith("SEQRES"):
            polymers.setdefault(line[11:12], []).extend(line[19:70].split())
        elif line.startswith("MODRES"):
            parents[line[12:15].strip()] = line[24:27].strip()
        elif line.startswith(_ATOM_RECORDS):
            break
    collector = _AtomCollector(set(parents))
    parser = PDBParser(QUIET=True, structure_builder=collector)
    try:
        atoms = parser.get_structure("", io.StringIO("\n".join(_backbone_lines(lines)) + "\n"))
    except (PDBConstructionException, ValueError, IndexError) as error:
        where = f"line {collector.line_counter}"
        raise StructureError(f"{path}: {where} is not a complete atom record: {error}") from error
    return Contents(atoms, polymers, parents)


def _check_last_record(path: Path, lines: list[str], *, complete: bool) -> None:
    """Reject a file that ends inside an atom record, which can still look like a valid record."""
    if complete or not lines[-1].startswith(_ATOM_RECORDS):
        return
    before = [len(line) for line in lines[:-1] if line.startswith(_ATOM_RECORDS)]
    if len(lines[-1]) < min(before, default=_COORDINATES_END):
        raise StructureError(f"{path}: the file is truncated: line {len(lines)} ends inside an atom record")


def _backbone_lines(lines: list[str]) -> Iterator[str]:
    """Yield the atom records that are needed, and blank lines for the others, to keep the line numbers.

    This drops a residue of which only side-chain atoms were observed.
    """
    for line in lines:
        if line.startswith(_ATOM_RECORDS):
            # Short records are passed on, and the parser rejects them.
            keep = line[12:16].strip() in _BACKBONE or len(line) < _COORDINATES_END
            yield line if keep else ""
        elif line.startswith("ENDMDL"):
            return
        else:
            yield ""


def _read_cif(path: Path, text: str) -> Contents:
    try:
        document = cif.read_string(text)
        block = document[0] if len(document) else cif.Block("")
        return Contents(list(_cif_atoms(block)), _cif_polymers(block), _cif_parents(block))
    except ValueError as error:
        reason = re.sub(r"^string:(\d+):\S+", r"line \1:", str(error))
        raise StructureError(f"{path}: not a complete mmCIF file: {reason}") from error


def _cif_atoms(block: cif.Block) -> Iterator[Atom]:
    rows = _rows(block, "_atom_site", *_ATOM_SITE)
    if not rows:
        absent = [item for item in _ATOM_SITE if not block.find_values(f"_atom_site.{item}")]
        raise ValueError(f"the table _atom_site lacks {', '.join(absent)}")
    first_model = rows[0][-1]
    for chain, number, insertion, residue, polymer_number, name, alternate, weight, x, y, z, model in rows:
        # A group without a position in a polymer is a ligand, a sugar, an ion or water.
        if name in _BACKBONE and model == first_model and polymer_number:
            xyz = (float(x), float(y), float(z))
            yield Atom(chain, int(number), insertion, residue, True, name, alternate, float(weight), xyz)


def _cif_polymers(block: cif.Block) -> dict[str, list[str]]:
    # Two names at one number are two forms of one residue; the first one is used.
    residues: dict[str, dict[str, str]] = {}
    for entity, number, name in _rows(block, "_entity_poly_seq", "entity_id", "num", "mon_id"):
        residues.setdefault(entity, {}).setdefault(number, name)
    return {
        chain.strip(): list(residues[entity].values())
        for entity, chains in _rows(block, "_entity_poly", "entity_id", "pdbx_strand_id")
        if entity in residues
        for chain in chains.split(",")
    }


def _cif_parents(block: cif.Block) -> dict[str, str]:
    rows = _rows(block, "_pdbx_struct_mod_residue", "label_comp_id", "parent_comp_id")
    return {row[0]: row[1] for row in rows}


def _rows(block: cif.Block, category: str, *items: str) -> list[tuple[str, ...]]:
    """Return the rows of a table, in which an absent value is empty; none if an item is missing."""
    table = block.find(f"{category}.", items)
    return [tuple(map(row.str, range(len(items)))) for row in table]
