"""The annotation rules, one function each, in the order in which they were published.

A rule looks at one record and returns None (nothing to say), a `Drop` or a `Fix`; both carry the reason.
`clean` runs the rules in order and counts what each one touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from data_curation.records import BindingRecord


@dataclass(frozen=True)
class Drop:
    """The record leaves the data set."""

    reason: str


@dataclass(frozen=True)
class Fix:
    """The record stays, corrected."""

    record: BindingRecord
    reason: str


Verdict = Drop | Fix | None


class Erratum(NamedTuple):
    """A row known to contradict its own PDB entry, found by people who had the structure file."""

    source: str
    pdb: str
    ligand_chains: str
    mutation: str
    reason: str


#: Rows whose fault shows only in the structure file, which a table of sequences does not carry.
ERRATA = (
    Erratum("ATLAS", "3QIW", "ABC", "C_K8E", "residue 8 of chain C is not lysine"),
    Erratum("ATLAS", "3QIU", "ABC", "C_K8R", "residue 8 of chain C is not lysine"),
    Erratum("ATLAS", "2P5E", "AC", "E_G50A", "residue 50 of chain E is not glycine"),
    Erratum("Affinity Benchmark v5.5", "3LVK", "AC", "", "names a chain that the file lacks"),
    Erratum("Affinity Benchmark v5.5", "3WD5", "HL", "", "names a chain that the file lacks"),
    Erratum("Affinity Benchmark v5.5", "5Y9J", "HL", "", "names a chain that the file lacks"),
    Erratum("PDBbind v2020", "2WUB", "HJ", "", "names a chain that the file lacks"),
    Erratum("PDBbind v2020", "3PL6", "ABC", "", "names a chain that the file lacks"),
    Erratum("PDBbind v2020", "5KVE", "HL", "", "names a chain that the file lacks"),
    Erratum("PDBbind v2020", "6O07", "A", "", "names a chain that the file lacks"),
)


def wild_type_mismatch(record: BindingRecord) -> Verdict:
    """Drop a mutation of a residue that the structure does not have: which protein was measured is open."""
    erratum = _erratum(record)
    if erratum is None or not erratum.mutation:
        return None
    return Drop(f"mutation {erratum.mutation}: {erratum.reason}")


def absent_chain(record: BindingRecord) -> Verdict:
    """Drop a row that names a chain which the structure lacks, or an empty one: a side is incomplete."""
    for side, names in (("ligand", record.ligand_chains), ("receptor", record.receptor_chains)):
        if "" in names:
            return Drop(f"the {side} chain list {', '.join(names)!r} holds an empty name")
    erratum = _erratum(record)
    if erratum is None or erratum.mutation:
        return None
    return Drop(f"{', '.join(record.ligand_chains + record.receptor_chains)}: {erratum.reason}")


def lower_case_duplicate(record: BindingRecord) -> Verdict:
    """Take ``h`` off a list that has ``H`` when there is no sequence of its own: it is the same chain."""
    ligand = _without_lower_case_copies(record.ligand_chains, len(record.ligand))
    receptor = _without_lower_case_copies(record.receptor_chains, len(record.receptor))
    if (ligand, receptor) == (record.ligand_chains, record.receptor_chains):
        return None
    removed = [c for c in record.ligand_chains if c not in ligand]
    removed += [c for c in record.receptor_chains if c not in receptor]
    fixed = replace(record, ligand_chains=ligand, receptor_chains=receptor)
    return Fix(fixed, f"chain(s) {', '.join(removed)} repeat their upper-case form")


def unknown_sequence(record: BindingRecord) -> Verdict:
    """Drop a row with a side whose chains are not known: there is nothing to predict from."""
    for side, chains in (("ligand", record.ligand), ("receptor", record.receptor)):
        if not chains:
            return Drop(f"the sequences of the {side} chains are not known")
    return None


def short_chain(minimum: int) -> Callable[[BindingRecord], Verdict]:
    """Make the rule that drops a row with any chain of fewer than `minimum` residues (published: 40)."""

    def rule(record: BindingRecord) -> Verdict:
        shortest = min(len(chain) for chain in record.chains)
        if shortest >= minimum:
            return None
        return Drop(f"a chain has {shortest} residues, fewer than {minimum}")

    return rule


class Rule(NamedTuple):
    """A named rule and the number of rows that the publication has left after it, if it says."""

    name: str
    judge: Callable[[BindingRecord], Verdict]
    published_rows: int | None


def published_rules(minimum_chain_length: int) -> tuple[Rule, ...]:
    """Return the rules in their published order.

    A row without sequences cannot exist in the publication, which reads structures; that rule stands
    before the length rule, which needs them.
    """
    published_short = 9295 if minimum_chain_length == 40 else None
    return (
        Rule("wild_type_mismatch", wild_type_mismatch, 12059),
        Rule("absent_chain", absent_chain, 12048),
        Rule("lower_case_duplicate", lower_case_duplicate, None),
        Rule("unknown_sequence", unknown_sequence, None),
        Rule("short_chain", short_chain(minimum_chain_length), published_short),
    )


class Touched(NamedTuple):
    """One row that one rule dropped or corrected."""

    row: int
    rule: str
    action: str
    reason: str


def clean(
    records: Iterable[BindingRecord], rules: Iterable[Rule]
) -> tuple[list[BindingRecord], list[Touched], list[tuple[Rule, int]]]:
    """Apply `rules` in order.

    Returns
    -------
    kept
        The records that no rule dropped.
    touched
        Every row that a rule dropped or corrected, with the reason.
    rows_after
        Each rule with the number of rows left after it.
    """
    kept = list(records)
    touched: list[Touched] = []
    rows_after = []
    for rule in rules:
        left = []
        for record in kept:
            verdict = rule.judge(record)
            if isinstance(verdict, Drop):
                touched.append(Touched(record.row, rule.name, "dropped", verdict.reason))
                continue
            if isinstance(verdict, Fix):
                touched.append(Touched(record.row, rule.name, "corrected", verdict.reason))
                record = verdict.record
            left.append(record)
        kept = left
        rows_after.append((rule, len(kept)))
    return kept, touched, rows_after


def _erratum(record: BindingRecord) -> Erratum | None:
    ligand_chains = "".join(record.ligand_chains)
    for erratum in ERRATA:
        if (erratum.source, erratum.pdb, erratum.ligand_chains) == (
            record.source,
            record.pdb,
            ligand_chains,
        ) and (not erratum.mutation or erratum.mutation in record.mutations):
            return erratum
    return None


def _without_lower_case_copies(names: tuple[str, ...], sequences: int) -> tuple[str, ...]:
    if sequences == 0 or len(names) <= sequences:
        return names
    return tuple(name for name in names if not (name.islower() and name.upper() in names))
