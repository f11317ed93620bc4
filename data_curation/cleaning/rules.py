"""The cleaning rules, one function each, in the order in which they are applied.

A rule takes all records and the available structures, and yields a `Finding` for each row that it drops,
corrects or notes. A rule that compares a row with its structure yields nothing for a row without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from data_curation.errors import MutationError
from data_curation.records import HIGHEST_KELVIN, LOWEST_KELVIN, BindingRecord
from data_curation.sources.sequences import Structures
from data_curation.structures.mutations import Mutation, apply_mutations, parse_mutations, shift_that_fits

Action = Literal["dropped", "corrected", "noted"]


class Finding(NamedTuple):
    """The result of a rule for one row.

    Attributes
    ----------
    record
        The dropped record, the corrected record, or the unchanged record if it is only noted.
    action, reason
        Action (dropped, corrected or noted) and its reason.
    """

    record: BindingRecord
    action: Action
    reason: str


Rule = Callable[[Sequence[BindingRecord], Structures], Iterator[Finding]]


def damaged_structure(records: Sequence[BindingRecord], structures: Structures) -> Iterator[Finding]:
    """Drop a row whose structure file exists but cannot be read, so that the row cannot be checked."""
    for record in records:
        if error := structures.error(record):
            yield Finding(record, "dropped", str(error))


def malformed_mutation(records: Sequence[BindingRecord], _: Structures) -> Iterator[Finding]:
    """Drop a row with a mutation that cannot be read, because the measured protein is unknown."""
    for record in records:
        try:
            _mutations(record)
        except MutationError as error:
            yield Finding(record, "dropped", str(error))


def repeated_mutation(records: Sequence[BindingRecord], _: Structures) -> Iterator[Finding]:
    """Count a mutation that is listed twice once, and note it: another chain may have been meant."""
    for record in records:
        once = tuple(dict.fromkeys(record.mutations))
        if once != record.mutations:
            twice = [text for text in once if record.mutations.count(text) > 1]
            yield Finding(replace(record, mutations=once), "corrected", f"{', '.join(twice)} is named twice")


def lower_case_duplicate(records: Sequence[BindingRecord], structures: Structures) -> Iterator[Finding]:
    """Remove ``h`` from a list that has ``H`` if there is no chain ``h``: it means the same chain."""
    for record in records:
        chains = structures.chains(record)
        sides = []
        for names, sequences in (
            (record.ligand_chains, record.ligand),
            (record.receptor_chains, record.receptor),
        ):
            known = set(chains) if chains is not None else _known_by_table(names, sequences)
            sides.append(tuple(n for n in names if n in known or not (n.islower() and n.upper() in names)))
        ligand, receptor = sides
        if (ligand, receptor) != (record.ligand_chains, record.receptor_chains):
            kept = ligand + receptor
            removed = [name for name in record.ligand_chains + record.receptor_chains if name not in kept]
            fixed = replace(record, ligand_chains=ligand, receptor_chains=receptor)
            yield Finding(fixed, "corrected", f"chain(s) {', '.join(removed)} repeat their upper-case form")


def shifted_numbering(records: Sequence[BindingRecord], structures: Structures) -> Iterator[Finding]:
    """Renumber the mutations of a chain if one shift makes those of all rows of the entry fit.

    A single position matches by chance too often, so at least two have to agree; see
    `data_curation.structures.mutations.shift_that_fits`.
    """
    entries: dict[tuple[str, str], list[BindingRecord]] = {}
    for record in records:
        entries.setdefault((record.source, record.pdb), []).append(record)
    for rows in entries.values():
        chains = structures.chains(rows[0]) or {}
        together = dict.fromkeys(mutation for record in rows for mutation in _mutations(record))
        shifts = {
            name: shift
            for name, chain in chains.items()
            if (shift := shift_that_fits(chain, [m for m in together if m.chain == name])) is not None
        }
        for record in rows:
            shifted = [_renumbered(mutation, shifts) for mutation in _mutations(record)]
            if shifts and tuple(shifted) != _mutations(record):
                fixed = replace(record, mutations=tuple(map(str, shifted)))
                shown = ", ".join(f"chain {name} by {shift:+d}" for name, shift in shifts.items())
                yield Finding(fixed, "corrected", f"the numbers of the mutations are shifted: {shown}")


def wild_type_mismatch(records: Sequence[BindingRecord], structures: Structures) -> Iterator[Finding]:
    """Drop a row with a mutation of a residue that the structure lacks: the measured protein is unknown."""
    for record in records:
        chains = structures.chains(record)
        if chains is None:
            continue
        named = record.ligand_chains + record.receptor_chains
        problems = []
        for name, mutations in _by_chain(record).items():
            if name not in named:
                problems.append(f"mutation {mutations[0]}: chain {name} is not among {', '.join(named)}")
            elif name in chains:
                try:
                    apply_mutations(chains[name], mutations)
                except MutationError as error:
                    problems.append(str(error))
        if problems:
            yield Finding(record, "dropped", "; ".join(problems))


def mutation_already_applied(records: Sequence[BindingRecord], structures: Structures) -> Iterator[Finding]:
    """Note a row whose structure is that of the mutant: it has the new residue at the mutated position."""
    for record in records:
        chains = structures.chains(record) or {}
        already = [
            str(mutation)
            for name, mutations in _by_chain(record).items()
            if name in chains
            for mutation in apply_mutations(chains[name], mutations).already_applied
        ]
        if already:
            yield Finding(record, "noted", f"the structure has {', '.join(already)} already")


def chain_on_both_sides(records: Sequence[BindingRecord], _: Structures) -> Iterator[Finding]:
    """Drop a row that names one chain on both sides, because its side is ambiguous."""
    for record in records:
        twice = [name for name in record.ligand_chains if name and name in record.receptor_chains]
        if twice:
            yield Finding(record, "dropped", f"chain {', '.join(twice)} is named on both sides")


def impossible_temperature(records: Sequence[BindingRecord], _: Structures) -> Iterator[Finding]:
    """Remove a temperature outside the range of liquid water: 25 is in degrees Celsius, or a mistake."""
    for record in records:
        kelvin = record.temperature_kelvin
        if kelvin is not None and not LOWEST_KELVIN <= kelvin <= HIGHEST_KELVIN:
            fixed = replace(record, temperature_kelvin=None)
            yield Finding(fixed, "corrected", f"the temperature is {kelvin:g} kelvin; it is left empty")


def absent_chain(records: Sequence[BindingRecord], structures: Structures) -> Iterator[Finding]:
    """Drop a row that names a chain that the structure lacks, or an empty name: a side is incomplete."""
    for record in records:
        for side, names in (("ligand", record.ligand_chains), ("receptor", record.receptor_chains)):
            chains = structures.chains(record)
            if "" in names:
                reason = f"the {side} chain list {', '.join(names)!r} holds an empty name"
            elif chains is not None and (absent := [name for name in names if name not in chains]):
                reason = f"the structure has no chain {', '.join(absent)}; it has {', '.join(chains)}"
            else:
                continue
            yield Finding(record, "dropped", reason)
            break


def unknown_sequence(records: Sequence[BindingRecord], _: Structures) -> Iterator[Finding]:
    """Drop a row with a side whose sequences are unknown, because nothing can be predicted from it."""
    for record in records:
        for side, chains in (("ligand", record.ligand), ("receptor", record.receptor)):
            if not chains:
                yield Finding(record, "dropped", f"the sequences of the {side} chains are not known")
                break


def chain_count(records: Sequence[BindingRecord], _: Structures) -> Iterator[Finding]:
    """Drop a row with more or fewer sequences than chain names, because their assignment is ambiguous."""
    for record in records:
        names = record.ligand_chains + record.receptor_chains
        sequences = (len(record.ligand), len(record.receptor))
        if names and sequences != (len(record.ligand_chains), len(record.receptor_chains)):
            reason = f"{sequences[0]} and {sequences[1]} sequences for the chains {', '.join(names)}"
            yield Finding(record, "dropped", reason)


def short_chain(minimum: int) -> Rule:
    """Return the rule that drops a row with any chain of fewer than `minimum` residues (published: 40)."""

    def rule(records: Sequence[BindingRecord], _: Structures) -> Iterator[Finding]:
        for record in records:
            shortest = min(len(chain) for chain in record.chains)
            if shortest < minimum:
                yield Finding(record, "dropped", f"a chain has {shortest} residues, fewer than {minimum}")

    return rule


def _mutations(record: BindingRecord) -> tuple[Mutation, ...]:
    return parse_mutations(",".join(record.mutations))


def _by_chain(record: BindingRecord) -> dict[str, list[Mutation]]:
    grouped: dict[str, list[Mutation]] = {}
    for mutation in _mutations(record):
        grouped.setdefault(mutation.chain, []).append(mutation)
    return grouped


def _renumbered(mutation: Mutation, shifts: dict[str, int]) -> Mutation:
    return replace(mutation, number=mutation.number + shifts.get(mutation.chain, 0))


def _known_by_table(names: tuple[str, ...], sequences: tuple[str, ...]) -> set[str]:
    """Return the chains that have a sequence in the table, without lower-case copies."""
    if len(names) <= len(sequences) or not sequences:
        return set(names)
    return {name for name in names if not (name.islower() and name.upper() in names)}
