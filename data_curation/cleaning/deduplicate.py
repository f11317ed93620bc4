"""One row for each distinct complex; repeated measurements combined in pKd space."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from data_curation.records import METHOD_PRIORITY, BindingRecord, Combination, Sides
from data_curation.structures.polymers import UNKNOWN

#: Measurements of one complex that differ by more than this are a conflict, in pKd units.
CONFLICT = 1.0
#: Standard deviation of measurements of one complex within one publication, and the additional standard
#: deviation between publications, in pKd units. Pooled over the repeated rows of PPB-Affinity: 0.45 within
#: one publication, 0.6 (0.45 and 0.4 in quadrature) between independent ones.
WITHIN_SD, BETWEEN_SD = 0.45, 0.4
#: Number of replicates at which the variance of a complex counts as much as the pooled one.
PRIOR_DEGREES = 3.0


@dataclass(frozen=True)
class CuratedComplex:
    """A distinct complex with its combined measurement.

    Attributes
    ----------
    id
        ``PDB_ligandchains_receptorchains[_mutations]``; the workbook row is added (``.r123``) where two
        distinct complexes would share it.
    record
        The first of the combined records: it gives the sides, the names and the provenance.
    pkd
        Mean over the records measured with the best method present; over the exact ones, if any is exact.
    pkd_sd
        Sample standard deviation of those pKd values; None for one value.
    n_replicates
        Number of records in the mean.
    conflict
        Whether any two measurements of the complex, whatever the method, are more than `CONFLICT` apart.
    weight
        Precision of the mean relative to a single measurement, which has 1; see `precision_weight`.
    rows
        Workbook rows of all records of this complex, used in the mean or not.
    methods, pubmed_ids
        Distinct methods and PubMed identifiers of all those records, in their order.
    censored
        ``<`` or ``>`` if Kd is only known to be below or above the mean, ``~`` if it is an estimate, else "".
    """

    id: str
    record: BindingRecord
    pkd: float
    pkd_sd: float | None
    n_replicates: int
    conflict: bool
    weight: float
    rows: tuple[int, ...]
    methods: tuple[str, ...]
    pubmed_ids: tuple[str, ...]
    censored: str

    @property
    def sides(self) -> Sides:
        """The properties of the complex that determine a split."""
        return Sides(self.id, self.record.pdb, self.record.ligand, self.record.receptor)


def deduplicate(
    records: Iterable[BindingRecord],
    censored: Mapping[int, str] | None = None,
    combination: Combination = "canonical",
) -> list[CuratedComplex]:
    """Combine the records of each distinct complex.

    Only the records of the best method present (`METHOD_PRIORITY`) enter the mean, and bounds only if there
    is no exact value.

    Parameters
    ----------
    records
        Records with the sequences of both sides.
    censored
        Sign of each value that is only a bound, by workbook row; see `data_curation.sources.censoring`.
    combination
        Rule for which records belong to one complex, and which mean is taken.

    Returns
    -------
    list of CuratedComplex
        Complexes, ordered by the first workbook row of each.
    """
    key = canonical_key if combination == "canonical" else _ordered_key
    groups: dict[Hashable, list[BindingRecord]] = {}
    for record in sorted(records, key=lambda record: record.row):
        groups.setdefault(key(record), []).append(record)
    taken: set[str] = set()
    return [_combine(group, censored or {}, combination, taken) for group in groups.values()]


def canonical_key(record: BindingRecord) -> Hashable:
    """Return the key by which records of one complex are recognised.

    The key does not depend on which side is called ligand, on the order of the chains of a side, or on
    residues that were not observed (``X``).
    """
    return tuple(sorted(_canonical_side(side) for side in (record.ligand, record.receptor)))


def precision_weight(values: list[float]) -> float:
    """Return the precision of the mean of replicates relative to that of a single measurement.

    The variance of the replicates is shrunk to the pooled one, ``WITHIN_SD ** 2``, which counts as
    `PRIOR_DEGREES` replicates; the variance between publications does not average out:

        weight = (WITHIN_SD^2 + BETWEEN_SD^2) / (shrunk variance / n + BETWEEN_SD^2)

    So two values that agree weigh more than a single value, and two that contradict each other weigh less.
    """
    degrees = len(values) - 1
    shrunk = (PRIOR_DEGREES * WITHIN_SD**2 + _squares(values)) / (PRIOR_DEGREES + degrees)
    return (WITHIN_SD**2 + BETWEEN_SD**2) / (shrunk / len(values) + BETWEEN_SD**2)


def _canonical_side(side: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(chain.replace(UNKNOWN, "") for chain in side))


def _ordered_key(record: BindingRecord) -> Hashable:
    return record.ligand, record.receptor


def _combine(
    group: list[BindingRecord], censored: Mapping[int, str], combination: Combination, taken: set[str]
) -> CuratedComplex:
    exact = group
    if combination == "canonical":
        exact = [record for record in group if record.row not in censored] or group
    best_method = min((record.method for record in exact), key=METHOD_PRIORITY.index)
    used = [record for record in exact if record.method == best_method]
    values = [record.pkd for record in used]
    degrees = len(values) - 1
    everything = [record.pkd for record in exact]
    return CuratedComplex(
        id=_identifier(used[0], taken),
        record=used[0],
        pkd=_mean(values) if combination == "canonical" else -math.log10(_mean([r.kd_molar for r in used])),
        pkd_sd=math.sqrt(_squares(values) / degrees) if degrees else None,
        n_replicates=len(used),
        conflict=max(everything) - min(everything) > CONFLICT,
        weight=precision_weight(values),
        rows=tuple(record.row for record in group),
        methods=tuple(dict.fromkeys(record.method for record in group)),
        pubmed_ids=tuple(dict.fromkeys(r.affinity_pubmed_id for r in group if r.affinity_pubmed_id)),
        censored=max(censored.get(record.row, "") for record in used),
    )


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _squares(values: list[float]) -> float:
    mean = _mean(values)
    return math.fsum((value - mean) ** 2 for value in values)


def _identifier(record: BindingRecord, taken: set[str]) -> str:
    parts = [record.pdb, "".join(record.ligand_chains), "".join(record.receptor_chains)]
    if record.mutations:
        parts.append("+".join(record.mutations))
    name = "_".join(parts)
    if name in taken:
        name += f".r{record.row}"
    taken.add(name)
    return name
