"""Apply the cleaning rules in order, and count the rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from data_curation.cleaning import rules
from data_curation.cleaning.rules import Action, Rule
from data_curation.records import BindingRecord
from data_curation.sources.sequences import Structures


class Step(NamedTuple):
    """A rule with its name, and the number of rows that the publication reports after it, if any."""

    name: str
    rule: Rule
    published_rows: int | None = None


#: Rules for the annotations of a row in the workbook; later ones rely on earlier ones.
ANNOTATION_STEPS = (
    Step("damaged_structure", rules.damaged_structure),
    Step("malformed_mutation", rules.malformed_mutation),
    Step("repeated_mutation", rules.repeated_mutation),
    Step("lower_case_duplicate", rules.lower_case_duplicate),
    Step("shifted_numbering", rules.shifted_numbering),
    Step("wild_type_mismatch", rules.wild_type_mismatch, 12059),
    Step("mutation_already_applied", rules.mutation_already_applied),
    Step("chain_on_both_sides", rules.chain_on_both_sides),
    Step("impossible_temperature", rules.impossible_temperature),
    Step("absent_chain", rules.absent_chain, 12048),
)


def sequence_steps(minimum_chain_length: int) -> tuple[Step, ...]:
    """Return the rules for the sequences of a row."""
    return (
        Step("unknown_sequence", rules.unknown_sequence),
        Step("chain_count", rules.chain_count),
        Step(
            "short_chain",
            rules.short_chain(minimum_chain_length),
            9295 if minimum_chain_length == 40 else None,
        ),
    )


class Touched(NamedTuple):
    """One row that one rule dropped, corrected or noted."""

    row: int
    rule: str
    action: Action
    reason: str


def clean(
    records: Iterable[BindingRecord], steps: Iterable[Step], structures: Structures
) -> tuple[list[BindingRecord], list[Touched], list[tuple[Step, int]]]:
    """Apply rules in order.

    Returns
    -------
    kept
        The records that no rule dropped, in their order.
    touched
        Every row that a rule dropped, corrected or noted.
    rows_after
        Each step with the number of rows left after it.
    """
    kept = {record.row: record for record in records}
    touched: list[Touched] = []
    rows_after = []
    for step in steps:
        for record, action, reason in step.rule(list(kept.values()), structures):
            touched.append(Touched(record.row, step.name, action, reason))
            if action == "dropped":
                del kept[record.row]
            else:
                kept[record.row] = record
        rows_after.append((step, len(kept)))
    return list(kept.values()), touched, rows_after
