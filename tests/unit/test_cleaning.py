"""Each cleaning rule on rows of the workbook and on structures made with the fault that it looks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_structures import write_structure

from data_curation.cleaning.rules import (
    Finding,
    Rule,
    chain_count,
    chain_on_both_sides,
    damaged_structure,
    impossible_temperature,
    lower_case_duplicate,
    malformed_mutation,
    repeated_mutation,
    shifted_numbering,
    short_chain,
    unknown_sequence,
    wild_type_mismatch,
)
from data_curation.cleaning.steps import ANNOTATION_STEPS, Touched, clean, sequence_steps
from data_curation.records import BindingRecord
from data_curation.sources.sequences import Structures, with_structure_sequences

PEPTIDE = "ADLIAYLKQATKG"
NONE = Structures({})


def record(**changes: object) -> BindingRecord:
    made = BindingRecord(
        row=1,
        source="ATLAS",
        pdb="1ABC",
        mutations=(),
        ligand_chains=("A",),
        receptor_chains=("B",),
        ligand=("A" * 50,),
        receptor=("C" * 50,),
        kd_molar=1e-9,
        method="Unknown",
    )
    return replace(made, **changes)


def row(number: int, source: str, pdb: str, mutations: str, ligand: str, receptor: str) -> BindingRecord:
    """A row of the workbook; it has no sequences."""
    return record(
        row=number,
        source=source,
        pdb=pdb,
        mutations=tuple(mutations.split()),
        ligand_chains=tuple(ligand.split(",")),
        receptor_chains=tuple(receptor.split(",")),
        ligand=(),
        receptor=(),
    )


BENCHMARK, PDBBIND = "Affinity Benchmark v5.5", "PDBbind v2020"
OF_2P5E = "D_G97D D_Q51T D_S52P D_S53W D_S96L D_S99T D_T95L E_A51I E_G50A E_G52Q E_I53T E_V95L"
WRONG_WILD_TYPE = [
    row(11525, "ATLAS", "3QIW", "C_K8E", "A,B,C", "D,E"),
    row(11981, "ATLAS", "3QIU", "C_K8R", "A,B,C", "D,E"),
    row(11979, "ATLAS", "2P5E", OF_2P5E, "A,C", "D,E"),
]
ABSENT_CHAIN = [
    row(7148, "SAbDab", "5KVE", "", "H,L", "E"),
    row(7766, BENCHMARK, "5Y9J", "", "H,L", "A,B,C"),
    row(7819, BENCHMARK, "3LVK", "", "A,C", "B"),
    row(7823, BENCHMARK, "3WD5", "", "H,L", "A,B,C"),
    row(7978, PDBBIND, "1DEE", "", ",C,D", "G"),
    row(8790, PDBBIND, "2WUB", "", "H,J", "A"),
    row(9245, PDBBIND, "3PL6", "", "A,B,C", "D,E"),
    row(9708, PDBBIND, "4EEF", "", ",A,B", "G"),
    row(10724, PDBBIND, "5KVE", "", "H,L", "E"),
    row(11064, PDBBIND, "6B0G", "", "E", ",C,D"),
    row(11271, PDBBIND, "6O07", "", "A", "C,D"),
]
#: The chain that the structures made here lack.
LACKING = {
    "5KVE": "L",
    "5Y9J": "C",
    "3LVK": "C",
    "3WD5": "B",
    "2WUB": "J",
    "3PL6": "D",
    "6O07": "D",
}


def made_structures(folder: Path) -> None:
    """Structures of the 14 rows: the peptide is numbered one too far, and chain E of 2P5E has V50."""
    tcr = {"A": "AC", "B": "DE", "D": "FG", "E": "HI"}
    write_structure(folder, "ATLAS", "3QIW", tcr | {"C": "ADLIAYLEQATKG"}, {"C": 2})
    write_structure(folder, "ATLAS", "3QIU", tcr | {"C": PEPTIDE}, {"C": 2})
    alpha = list("A" * 100)
    for number, letter in {97: "G", 51: "Q", 52: "S", 53: "S", 96: "S", 99: "S", 95: "T"}.items():
        alpha[number - 1] = letter
    beta = list("C" * 100)
    for number, letter in {51: "A", 50: "V", 52: "G", 53: "I", 95: "V"}.items():
        beta[number - 1] = letter
    write_structure(
        folder, "ATLAS", "2P5E", tcr | {"C": "SLLMWITQC", "D": "".join(alpha), "E": "".join(beta)}
    )
    for item in ABSENT_CHAIN:
        names = {name for name in item.ligand_chains + item.receptor_chains if name}
        there = sorted(names - {LACKING.get(item.pdb, "")})
        write_structure(folder, item.source, item.pdb, dict.fromkeys(there, "ACDEF"))


def findings(rule: Rule, records: list[BindingRecord], structures: Structures = NONE) -> list[Finding]:
    return list(rule(records, structures))


def test_a_chain_on_both_sides_and_degrees_celsius() -> None:
    sound = replace(
        WRONG_WILD_TYPE[0], row=1, ligand_chains=("A", "B"), receptor_chains=("C",), temperature_kelvin=298.0
    )
    twice = replace(sound, row=2, receptor_chains=("B",))
    celsius = replace(sound, row=3, temperature_kelvin=25.0)
    ((dropped, action, reason),) = findings(chain_on_both_sides, [sound, twice, celsius])
    assert (dropped.row, action, reason) == (2, "dropped", "chain B is named on both sides")
    ((fixed, action, reason),) = findings(impossible_temperature, [sound, twice, celsius])
    assert (fixed, action) == (replace(celsius, temperature_kelvin=None), "corrected")
    assert "the temperature is 25 kelvin" in reason


def test_the_bad_rows_of_the_publication_are_found(tmp_path: Path) -> None:
    made_structures(tmp_path)
    sound = [
        replace(WRONG_WILD_TYPE[0], row=1, mutations=()),
        replace(WRONG_WILD_TYPE[1], row=2, mutations=("C_K9R",)),
        replace(WRONG_WILD_TYPE[2], row=3, mutations=tuple(OF_2P5E.replace("E_G50A ", "").split())),
        replace(ABSENT_CHAIN[0], row=4, ligand_chains=("H",)),
        replace(ABSENT_CHAIN[4], row=5, ligand_chains=("C", "D")),
    ]
    records = [*WRONG_WILD_TYPE, *ABSENT_CHAIN, *sound]
    structures = Structures.read(records, tmp_path)
    kept, touched, rows_after = clean(records, ANNOTATION_STEPS, structures)
    assert [item.row for item in kept] == [1, 2, 3, 4, 5]
    found = {
        rule: {t.row for t in touched if t.rule == rule and t.action == "dropped"} for _, rule, *_ in touched
    }
    assert found == {
        "wild_type_mismatch": {item.row for item in WRONG_WILD_TYPE},
        "absent_chain": {item.row for item in ABSENT_CHAIN},
    }
    assert {step.name: rows for step, rows in rows_after}["wild_type_mismatch"] == 16
    reasons = {item.row: item.reason for item in touched}
    assert "C_K8R" in reasons[11981]
    assert "9:K" in reasons[11981]  # that the number is off by one shows
    assert "E_G50A" in reasons[11979]
    assert reasons[8790] == "the structure has no chain J; it has A, H"
    assert reasons[7978] == "the ligand chain list ', C, D' holds an empty name"


def test_without_their_structures_only_what_shows_in_the_names_is_dropped() -> None:
    kept, touched, _ = clean([*WRONG_WILD_TYPE, *ABSENT_CHAIN], ANNOTATION_STEPS, NONE)
    assert {item.row for item in touched} == {7978, 9708, 11064}
    assert len(kept) == 11


def of_3qib(*mutations: str) -> list[BindingRecord]:
    return [row(number, "ATLAS", "3QIB", text, "A,C", "D") for number, text in enumerate(mutations)]


def test_one_shift_that_suits_all_rows_of_an_entry_renumbers_them(tmp_path: Path) -> None:
    chains = {"A": "ACDE", "C": PEPTIDE, "D": "FGHI"}
    write_structure(tmp_path, "ATLAS", "3QIB", chains, {"C": 2})
    records = of_3qib("C_Y6F", "C_K8R", "C_T11S", "C_T11N", "C_T11S C_Y6F", "", "A_C2D")
    structures = Structures.read(records, tmp_path)
    found = findings(shifted_numbering, records, structures)
    assert [item.record.mutations for item in found] == [
        ("C_Y7F",),
        ("C_K9R",),
        ("C_T12S",),
        ("C_T12N",),
        ("C_T12S", "C_Y7F"),
    ]
    assert {(item.action, item.reason) for item in found} == {
        ("corrected", "the numbers of the mutations are shifted: chain C by +1")
    }
    kept, _, _ = clean(records, ANNOTATION_STEPS, structures)
    peptides = [item.ligand[1] for item in with_structure_sequences(kept, structures)]
    assert peptides[:3] == ["ADLIAFLKQATKG", "ADLIAYLRQATKG", "ADLIAYLKQASKG"]
    assert peptides[5] == PEPTIDE
    # The numbers of one row fit as they are; another entry's rows say nothing of this one.
    assert not findings(shifted_numbering, of_3qib("C_Y7F", "C_K9R"), structures)
    other_source = [replace(item, source="SKEMPI v2.0") for item in records[1:]]
    assert not findings(shifted_numbering, [records[0], *other_source], structures)


def test_mutations_of_other_chains_are_a_mismatch(tmp_path: Path) -> None:
    write_structure(tmp_path, "ATLAS", "1ABC", {"A": "ACDE", "B": "FGHI", "C": "KLMN"})
    records = [record(row=1, mutations=("C_K1A",)), record(row=2, mutations=("A_A1G", "B_F2A", "A_W99A"))]
    structures = Structures.read(records, tmp_path)
    first, second = findings(wild_type_mismatch, records, structures)
    assert first.reason == "mutation C_K1A: chain C is not among A, B"
    assert "A_W99A" in second.reason
    assert "B_F2A" in second.reason


def test_a_mutation_that_the_structure_has_already_is_noted(tmp_path: Path) -> None:
    write_structure(tmp_path, "ATLAS", "1ABC", {"A": "ACDE", "B": "FGHI"})
    records = [record(row=1, mutations=("A_G1A", "B_F1W")), record(row=2, mutations=("B_F1W",))]
    structures = Structures.read(records, tmp_path)
    kept, touched, _ = clean(records, ANNOTATION_STEPS, structures)
    assert touched == [Touched(1, "mutation_already_applied", "noted", "the structure has A_G1A already")]
    assert [item.receptor for item in with_structure_sequences(kept, structures)] == [("WGHI",), ("WGHI",)]


def test_a_repeated_mutation_is_taken_once() -> None:
    rows = [record(mutations=("A_K34E", "A_K34E", "B_R32E")), record(row=2, mutations=("A_K34E", "B_K34E"))]
    (found,) = findings(repeated_mutation, rows)
    assert (found.record.mutations, found.action) == (("A_K34E", "B_R32E"), "corrected")
    assert found.reason == "A_K34E is named twice"


def test_a_mutation_that_cannot_be_read_drops_its_row() -> None:
    (found,) = findings(
        malformed_mutation, [record(mutations=("A_K34",)), record(row=2, mutations=("A_K3E",))]
    )
    assert (found.record.row, found.action) == (1, "dropped")
    assert "A_K34" in found.reason


def test_lower_case_copies_are_taken_off_the_list(tmp_path: Path) -> None:
    by_table = [
        record(row=1, ligand_chains=("H", "h")),
        record(row=2, ligand_chains=("H", "h"), ligand=("A" * 50, "G" * 50)),
        record(row=3, ligand_chains=("D", "d", "e"), ligand=("A" * 50, "G" * 50)),
    ]
    found = findings(lower_case_duplicate, by_table)
    assert [(item.record.row, item.record.ligand_chains) for item in found] == [(1, ("H",)), (3, ("D", "e"))]
    assert found[0].reason == "chain(s) h repeat their upper-case form"
    write_structure(tmp_path, "ATLAS", "1ABC", {"H": "AC", "h": "DE", "D": "FG", "B": "HI"})
    rows = [record(row=1, ligand_chains=("H", "h")), record(row=2, ligand_chains=("D", "d"))]
    (found_one,) = findings(lower_case_duplicate, rows, Structures.read(rows, tmp_path))
    assert (found_one.record.row, found_one.record.ligand_chains) == (2, ("D",))


def test_a_damaged_file_drops_its_rows_and_says_why(tmp_path: Path) -> None:
    path = write_structure(tmp_path, "ATLAS", "1ABC", {"A": "ACDE", "B": "FGHI"})
    write_structure(tmp_path, "ATLAS", "2ABC", {"A": "ACDE", "B": "FGHI"})
    path.write_text(path.read_text()[:-50])  # in the middle of a record
    rows = [record(), record(row=2, pdb="2ABC"), record(row=3, source="SAbDab")]
    structures = Structures.read(rows, tmp_path)
    assert len(structures) == 2
    (found,) = findings(damaged_structure, rows, structures)
    assert (found.record.row, found.action) == (1, "dropped")
    assert "1ABC.pdb" in found.reason
    kept, _, _ = clean(rows, ANNOTATION_STEPS, structures)
    assert [item.row for item in kept] == [2, 3]
    assert [item.sequence_source for item in with_structure_sequences(kept, structures)] == ["structure", ""]


def test_sequences_are_counted_and_measured() -> None:
    assert not findings(unknown_sequence, [record()])
    (found,) = findings(unknown_sequence, [record(receptor=())])
    assert found.reason == "the sequences of the receptor chains are not known"
    (found,) = findings(chain_count, [record(ligand_chains=("A", "C"))])
    assert found.reason == "1 and 1 sequences for the chains A, C, B"
    short = record(receptor=("C" * 50, "C" * 39))
    assert not findings(short_chain(39), [short])
    (found,) = findings(short_chain(40), [short])
    assert found.reason == "a chain has 39 residues, fewer than 40"


@pytest.mark.parametrize("steps", [ANNOTATION_STEPS, sequence_steps(40)])
def test_a_sound_row_passes_and_every_rule_has_a_reason_to_be(steps: tuple) -> None:
    kept, touched, _ = clean([record()], steps, NONE)
    assert (kept, touched) == ([record()], [])
    assert all(step.rule.__doc__ for step in steps if step.name != "short_chain")
