"""One row for each distinct pair of sides; repeated measurements combined in pKd space."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from data_curation.records import METHOD_PRIORITY, BindingRecord, Sides


@dataclass(frozen=True)
class CuratedComplex:
    """A distinct complex with its combined measurement.

    Attributes
    ----------
    id
        ``PDB_ligandchains_receptorchains[_mutations]``; the workbook row is added (``.r123``) where two
        distinct complexes would share it.
    record
        The first of the combined records: it gives the names and the provenance.
    pkd
        Mean pKd over the records measured with the best method present.
    pkd_sd
        Sample standard deviation of those pKd values; None for one value.
    rows
        Workbook rows of all records with these sequences, used in the mean or not.
    n_replicates
        How many records the mean was taken over.
    """

    id: str
    record: BindingRecord
    pkd: float
    pkd_sd: float | None
    rows: tuple[int, ...]
    n_replicates: int

    @property
    def sides(self) -> Sides:
        """What a split looks at."""
        return Sides(self.id, self.record.pdb, self.record.ligand, self.record.receptor)


def deduplicate(records: Iterable[BindingRecord]) -> list[CuratedComplex]:
    """Combine records with the same ligand chains and the same receptor chains, in the same order.

    Only the records of the best method present (`METHOD_PRIORITY`) enter the mean. The publication
    averages Kd; the mean here is over pKd, so that one weak outlier does not decide it.

    Returns
    -------
    list of CuratedComplex
        Ordered by the first workbook row of each.
    """
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[BindingRecord]] = {}
    for record in sorted(records, key=lambda record: record.row):
        groups.setdefault((record.ligand, record.receptor), []).append(record)
    taken: set[str] = set()
    return [_combine(group, taken) for group in groups.values()]


def _combine(group: list[BindingRecord], taken: set[str]) -> CuratedComplex:
    best_method = min((record.method for record in group), key=METHOD_PRIORITY.index)
    used = [record for record in group if record.method == best_method]
    values = [record.pkd for record in used]
    mean = math.fsum(values) / len(values)
    spread = None
    if len(values) > 1:
        spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))
    return CuratedComplex(
        id=_identifier(used[0], taken),
        record=used[0],
        pkd=mean,
        pkd_sd=spread,
        rows=tuple(record.row for record in group),
        n_replicates=len(used),
    )


def _identifier(record: BindingRecord, taken: set[str]) -> str:
    parts = [record.pdb, "".join(record.ligand_chains), "".join(record.receptor_chains)]
    if record.mutations:
        parts.append("+".join(record.mutations))
    name = "_".join(parts)
    if name in taken:
        name += f".r{record.row}"
    taken.add(name)
    return name
