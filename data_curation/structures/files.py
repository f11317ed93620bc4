"""Read PDB and mmCIF files, plain or gzipped, to obtain what a chain's sequence needs.

These are the N, CA and C atoms of the first model, the deposited polymer sequences, and the parents of
modified residues.
"""

from __future__ import annotations

import gzip
import io
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from Bio.PDB.MMCIF2Dict import MMCIF2Dict
from Bio.PDB.PDBExceptions import PDBConstructionException
from Bio.PDB.PDBParser import PDBParser
from Bio.PDB.StructureBuilder import StructureBuilder

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
        cif = MMCIF2Dict(io.StringIO(text))
        atoms = list(_cif_atoms(cif))
        return Contents(atoms, _cif_polymers(cif), _cif_parents(cif))
    except KeyError as error:
        raise StructureError(f"{path}: the mmCIF item {error} is missing") from error
    except (ValueError, IndexError) as error:
        raise StructureError(f"{path}: not a complete mmCIF file: {error}") from error


def _cif_atoms(cif: dict[str, list[str]]) -> Iterator[Atom]:
    first_model = cif["_atom_site.pdbx_PDB_model_num"][0]
    for fields in _rows(cif, "_atom_site", _ATOM_SITE):
        chain, number, insertion, residue, polymer_number, name, alternate, weight, x, y, z, model = fields
        # A group without a position in a polymer is a ligand, a sugar, an ion or water.
        if name in _BACKBONE and model == first_model and polymer_number not in ".?":
            xyz = (float(x), float(y), float(z))
            labels = (int(number), insertion.strip(".?"), residue)
            yield Atom(chain, *labels, True, name, alternate.strip(".?"), float(weight), xyz)


def _cif_polymers(cif: dict[str, list[str]]) -> dict[str, list[str]]:
    if "_entity_poly.pdbx_strand_id" not in cif or "_entity_poly_seq.mon_id" not in cif:
        return {}
    # Two names at one number are two forms of one residue; the first one is used.
    residues: dict[str, dict[str, str]] = {}
    for entity, number, name in _rows(cif, "_entity_poly_seq", ("entity_id", "num", "mon_id")):
        residues.setdefault(entity, {}).setdefault(number, name)
    strands = _rows(cif, "_entity_poly", ("entity_id", "pdbx_strand_id"))
    return {
        chain.strip(): list(residues[entity].values())
        for entity, chains in strands
        if entity in residues
        for chain in chains.split(",")
    }


def _cif_parents(cif: dict[str, list[str]]) -> dict[str, str]:
    category = "_pdbx_struct_mod_residue"
    if f"{category}.parent_comp_id" not in cif:
        return {}
    return {row[0]: row[1] for row in _rows(cif, category, ("label_comp_id", "parent_comp_id"))}


def _rows(cif: dict[str, list[str]], category: str, items: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Return the rows of a table; raise ValueError if columns differ in length, as in a truncated file."""
    columns = {item: cif[f"{category}.{item}"] for item in items}
    lengths = {item: len(column) for item, column in columns.items()}
    if len(set(lengths.values())) > 1:
        longest, shortest = (choose(lengths, key=lengths.__getitem__) for choose in (max, min))
        raise ValueError(
            f"the table {category} is truncated: {longest} has {lengths[longest]} values, {shortest} has "
            f"{lengths[shortest]}"
        )
    return zip(*columns.values(), strict=True)
