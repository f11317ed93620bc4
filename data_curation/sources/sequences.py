"""Get the sequences of a row from its structure if there is one, else from a table."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from data_curation.errors import SourceError, StructureError
from data_curation.files import sha256_of
from data_curation.records import BindingRecord
from data_curation.structures.chains import StructureChain, find_structure, read_structures
from data_curation.structures.mutations import apply_mutations, parse_mutations

Chains = Mapping[str, StructureChain]


class Structures:
    """The structures of an entry, by source and PDB identifier.

    Parameters
    ----------
    found
        Chains of each existing structure file, or the error if it cannot be read.
    sha256
        SHA-256 over the hashes of all files, each with its source and entry.
    """

    def __init__(
        self, found: Mapping[tuple[str, str], Chains | StructureError], sha256: str | None = None
    ) -> None:
        self._found = dict(found)
        self.sha256 = sha256

    @classmethod
    def read(cls, records: Iterable[BindingRecord], folder: str | os.PathLike[str]) -> Structures:
        """Read the files of the entries of `records` from a folder laid out as published.

        Raises
        ------
        SourceError
            If there is no such folder.
        """
        if not Path(folder).is_dir():
            raise SourceError(f"{folder}: no such folder; give one with PDB/<source>/<entry>.pdb")
        entries = sorted({(record.source, record.pdb) for record in records})
        paths = {entry: path for entry in entries if (path := find_structure(folder, *entry))}
        read = read_structures(list(paths.values()))
        hashes = "".join(f"{'/'.join(entry)} {sha256_of(path)}\n" for entry, path in paths.items())
        found = {entry: read[path] for entry, path in paths.items()}
        return cls(found, hashlib.sha256(hashes.encode()).hexdigest())

    def __len__(self) -> int:
        return len(self._found)

    def error(self, record: BindingRecord) -> StructureError | None:
        """Return the error of the structure of a record; None if it can be read or does not exist."""
        found = self._found.get((record.source, record.pdb))
        return found if isinstance(found, StructureError) else None

    def chains(self, record: BindingRecord) -> Chains | None:
        """Return the chains of the structure of a record; None if it does not exist or cannot be read."""
        found = self._found.get((record.source, record.pdb))
        return None if isinstance(found, StructureError) else found

    def missing_residues(self) -> tuple[int, int]:
        """Return the number of residues that are missing inside chains, and the number of them recovered."""
        readable = [chains for chains in self._found.values() if not isinstance(chains, StructureError)]
        chains = [chain for structure in readable for chain in structure.values()]
        recovered = sum(chain.missing_recovered for chain in chains)
        return recovered + sum(chain.missing_unresolved for chain in chains), recovered


def with_table_sequences(
    records: Iterable[BindingRecord], table: Iterable[BindingRecord]
) -> list[BindingRecord]:
    """Add the sequences of a table to the rows of the workbook.

    Raises
    ------
    SourceError
        If the table and the workbook disagree about a row.
    """
    by_row = {record.row: record for record in table}
    return [_joined(record, by_row.get(record.row)) for record in records]


def with_structure_sequences(records: Iterable[BindingRecord], structures: Structures) -> list[BindingRecord]:
    """Add the chain sequences to each row whose structure exists, with its mutations applied.

    Raises
    ------
    MutationError
        If a mutation does not fit; the rules of `data_curation.cleaning.rules` remove such rows before.
    """
    return [_from_structure(record, structures.chains(record)) for record in records]


def _joined(record: BindingRecord, known: BindingRecord | None) -> BindingRecord:
    if known is None:
        return record
    for name in ("source", "pdb", "mutations", "ligand_chains", "receptor_chains", "kd_molar"):
        here, there = getattr(record, name), getattr(known, name)
        if here != there:
            raise SourceError(
                f"workbook row {record.row}: {name} is {here!r} in the workbook, {there!r} in the table of "
                "sequences; use files of one version"
            )
    return replace(
        record,
        ligand=known.ligand,
        receptor=known.receptor,
        sequence_source=known.sequence_source,
        chain_confidence=known.chain_confidence,
    )


def _from_structure(record: BindingRecord, chains: Chains | None) -> BindingRecord:
    if chains is None:
        return record
    mutations = parse_mutations(",".join(record.mutations))

    def side(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(
            apply_mutations(chains[name], [m for m in mutations if m.chain == name]).sequence
            for name in names
        )

    return replace(
        record,
        ligand=side(record.ligand_chains),
        receptor=side(record.receptor_chains),
        sequence_source="structure",
        chain_confidence="exact",
    )
