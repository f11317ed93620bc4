"""Affinities that are only bounds, which SKEMPI marks and the workbook does not."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from data_curation.csv_files import read_csv
from data_curation.errors import MutationError, SourceError
from data_curation.records import BindingRecord
from data_curation.structures.mutations import Mutation, parse_mutations

#: Name of the source of SKEMPI's rows in the workbook.
SKEMPI_SOURCE = "SKEMPI v2.0"
_COLUMNS = (
    "#Pdb",
    "Mutation(s)_cleaned",
    "Affinity_mut (M)",
    "Affinity_mut_parsed",
    "Affinity_wt (M)",
    "Affinity_wt_parsed",
    "Reference",
)
#: Two Kd are the same value if their relative difference is below this.
_SAME_KD = 1e-3


class SkempiValue(NamedTuple):
    """One affinity of SKEMPI 2.0.

    Attributes
    ----------
    pdb, mutations
        PDB entry and mutations of the complex; a wild type has no mutations.
    kd_molar
        Value in mol/L, without its sign.
    reference
        PubMed identifier or citation.
    sign
        ``<``, ``>`` or ``~`` if the value is a bound or an estimate, else "".
    """

    pdb: str
    mutations: frozenset[Mutation]
    kd_molar: float
    reference: str
    sign: str


def read_skempi(path: str | os.PathLike[str]) -> list[SkempiValue]:
    """Read the affinities of the SKEMPI 2.0 table, mutants and wild types.

    Entries without a number (``n.b``, ``unf``) are skipped, because they cannot be in the workbook.

    Parameters
    ----------
    path
        Path of ``skempi_v2.csv``, separated by ``;``.

    Raises
    ------
    SourceError
        If the file cannot be read, a column is missing or a mutation cannot be read.
    """
    source = Path(path)
    table = read_csv(source, _COLUMNS, separator=";")
    values: list[SkempiValue] = []
    for line, row in enumerate(table[list(_COLUMNS)].itertuples(index=False, name=None), start=2):
        try:
            values.extend(_values(*row))
        except (MutationError, ValueError) as error:
            raise SourceError(f"{source}, line {line}: {error}") from error
    return values


def censored_rows(records: Iterable[BindingRecord], skempi: Iterable[SkempiValue]) -> dict[int, str]:
    """Find the SKEMPI rows of the workbook whose Kd is only a bound.

    A row is matched by PDB entry, mutations and Kd, and by the reference if several entries match. A row
    whose mutations cannot be read has no match; the cleaning drops it.

    Returns
    -------
    dict
        ``<`` (Kd is at most the value, so the complex binds at least that strongly), ``>`` or ``~``, by
        workbook row.
    """
    known: dict[tuple[str, frozenset[Mutation]], list[SkempiValue]] = {}
    for value in skempi:
        known.setdefault((value.pdb, value.mutations), []).append(value)
    found = {}
    for record in records:
        if record.source != SKEMPI_SOURCE:
            continue
        try:
            mutations = frozenset(parse_mutations(",".join(record.mutations)))
        except MutationError:
            continue
        same = [
            value
            for value in known.get((record.pdb, mutations), [])
            if math.isclose(value.kd_molar, record.kd_molar, rel_tol=_SAME_KD)
        ]
        same = [value for value in same if value.reference == record.affinity_pubmed_id] or same
        signs = {value.sign for value in same}
        # A value that some measurement reports exactly is not only a bound.
        if signs and "" not in signs:
            found[record.row] = min(signs)
    return found


def _values(
    entry: str, mutations: str, mutant: str, mutant_kd: str, wild_type: str, wild_type_kd: str, reference: str
) -> Iterator[SkempiValue]:
    pdb = entry[:4].upper()
    for text, parsed, changed in ((mutant, mutant_kd, mutations), (wild_type, wild_type_kd, "")):
        if parsed:
            sign = re.match(r"\s*([<>~]?)", text)
            yield SkempiValue(
                pdb,
                frozenset(parse_mutations(changed)),
                float(parsed),
                reference,
                sign.group(1) if sign else "",
            )
