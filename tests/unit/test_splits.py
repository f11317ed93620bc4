"""Similarity groups, strict splits and the audit, on real rows of the workbook."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_curation.audit.leakage import audit_split, summarise
from data_curation.audit.run import audit
from data_curation.cleaning.deduplicate import deduplicate
from data_curation.cleaning.steps import ANNOTATION_STEPS, clean, sequence_steps
from data_curation.errors import AssignmentError, SourceError
from data_curation.records import Sides
from data_curation.sources.sequences import Structures
from data_curation.sources.tables import read_sequence_table
from data_curation.splits.assignment import balance_features, deal
from data_curation.splits.immunoglobulin import mask_chains, reference_domains
from data_curation.splits.parts import assigned_parts, read_split
from data_curation.splits.protocols import make_split, sides_of, write_split
from data_curation.splits.similarity import similar_across, similar_peptides, strict_groups
from data_curation.splits.strict import ALWAYS_TRAIN, ReceptorSimilarity, strict_split

pytestmark = pytest.mark.usefixtures("every_pair_aligned")

ROWS = Path(__file__).resolve().parent.parent / "data" / "measured_rows.csv.gz"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    steps = ANNOTATION_STEPS + sequence_steps(1)
    kept, _, _ = clean(read_sequence_table(ROWS), steps, Structures({}))
    return pd.DataFrame(
        {
            "id": item.id,
            "ligand": ":".join(item.record.ligand),
            "receptor": ":".join(item.record.receptor),
            "pdb": item.record.pdb,
            "source": item.record.source,
            "pkd": item.pkd,
        }
        for item in deduplicate(kept)
    )


@pytest.fixture(scope="module")
def sides(table: pd.DataFrame) -> dict[str, Sides]:
    return {
        row.id: Sides(row.id, row.pdb, tuple(row.ligand.split(":")), tuple(row.receptor.split(":")))
        for row in table.itertuples()
    }


def of_entry(sides: dict[str, Sides], pdb: str) -> Sides:
    return next(item for item in sides.values() if item.pdb == pdb)


def groups_of(*items: Sides) -> list[list[str]]:
    return strict_groups(items, mask_chains(chain for item in items for chain in item.chains))


def test_antibody_domains_are_found_and_masked() -> None:
    domains = reference_domains()
    variable, constant = domains["V|4YK4_B"], domains["C|IGKC"]
    light, fc = variable + constant, domains["C|IGHG1_CH2"] + domains["C|IGHG1_CH3"]
    b2m, other = "M" + domains["B2M|human"], "MKT" * 40
    masked = mask_chains([light, variable, fc, b2m, other, light])
    assert masked[light].immunoglobulin
    assert masked[variable].immunoglobulin
    assert not any(masked[chain].immunoglobulin for chain in (fc, b2m, other))
    hidden = masked[light].residues
    assert len(hidden) == len(light)
    assert hidden[: len(variable) - 5] == variable[:-5]
    assert set(hidden[len(variable) + 5 :]) == {"X"}
    assert set(masked[b2m].residues[1:]) == {"X"}
    assert masked[fc].residues == fc  # an Fc alone is a partner, not a handle
    assert masked[other].residues == other


def test_similar_chain_links_complexes_whatever_its_side() -> None:
    rng = np.random.default_rng(0)
    target, binder, third, fourth = (
        "".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), size=120)) for _ in range(4)
    )
    mutant = target[:40] + "A" * 4 + target[44:]
    first = Sides("first", "1AAA", (target,), (binder,))
    swapped = Sides("swapped", "2AAA", (third,), (mutant,))
    unrelated = Sides("unrelated", "3AAA", (fourth,), (fourth[::-1],))
    assert groups_of(first, swapped, unrelated) == [["first", "swapped"], ["unrelated"]]
    same_entry = replace(unrelated, pdb="1AAA")
    assert groups_of(first, swapped, same_entry) == [["first", "swapped", "unrelated"]]


def test_antibodies_are_linked_only_where_both_sides_have_one() -> None:
    domains = reference_domains()
    heavy, light, constant = domains["V|6II8_H"], domains["V|4YK4_B"], domains["C|IGKC"]
    rng = np.random.default_rng(1)
    antigens = ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), size=100)) for _ in range(2)]
    first = Sides("first", "1AAA", (heavy, light + constant), (antigens[0],))
    second = Sides("second", "2AAA", (heavy, light + constant), (antigens[1],))
    idiotype = Sides("idiotype", "3AAA", (heavy,), (light,))
    other_idiotype = Sides("other", "4AAA", (domains["V|5USH_E"],), (domains["V|6CWT_C"],))
    groups = groups_of(first, second, idiotype, other_idiotype)
    assert groups == [["idiotype", "other"], ["first"], ["second"]]


def test_peptides() -> None:
    assert similar_peptides("SLLMWITQC", "SLLMWITQV")
    assert similar_peptides("SLLMWITQC", "GSLLMWITQ")
    assert not similar_peptides("SLLMWITQC", "LLFGYPVYV")
    assert similar_peptides("SLLMWITQC", "LLMWI")  # all of the shorter one
    assert not similar_peptides("SLLMWITQC", "TQCSLLM")  # matches, but over less than 80 % of it


def test_deal_gives_each_part_its_share() -> None:
    rng = np.random.default_rng(0)
    groups = [[f"{g}-{i}" for i in range(rng.integers(1, 6))] for g in range(300)]
    names = [name for group in groups for name in group]
    vectors = balance_features(rng.choice(["a", "b"], size=len(names)).tolist(), rng.normal(size=len(names)))
    features = dict(zip(names, vectors, strict=True))
    part = deal(groups, features, [8, 1, 1], seed=0)
    sums = np.zeros((3, vectors.shape[1]))
    for group, index in zip(groups, part, strict=True):
        sums[index] += sum(features[name] for name in group)
    expected = np.tile([[0.8], [0.1], [0.1]], vectors.shape[1])
    assert sums / sums.sum(axis=0) == pytest.approx(expected, abs=0.03)
    assert part == deal(groups, features, [8, 1, 1], seed=0)
    assert deal([], features, [1, 1], seed=0) == []


def test_strict_split_has_no_violation_and_the_audit_sees_one_that_is_made(
    table: pd.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "split.csv"
    counts = write_split(table, path, protocol="strict", ratios=(0.6, 0.2, 0.2))
    assert set(counts.index) == {"train", "validation", "test"}
    summary = audit(table, str(path), tmp_path / "audit")
    assert (summary.strict_violation == 0).all()
    assert (summary.duplicate == 0).all()
    rows = pd.read_csv(tmp_path / "audit" / "audit_rows.csv")
    assert set(rows["id"]) <= set(table["id"])
    content = json.loads((tmp_path / "audit" / "audit.json").read_text())
    assert content["all"][0]["complexes"] == counts["test"]
    assert {line["source"] for line in content["per_source"]} <= set(table["source"])
    page = (tmp_path / "audit" / "audit.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 2
    assert "http" not in page.replace("data:image/svg", "")  # nothing is fetched

    part = read_split(path)
    train = [name for name, value in part.items() if value == "train"]
    for name in train[::2]:
        part[name] = "test"
    broken = table.assign(split=table["id"].map(part))
    found = audit(broken).set_index(["part", "against"]).loc[("test", "train")]
    assert found.strict_violation > 0.2
    assert found.chain_90 > 0.2


def test_the_page_of_an_audit_shows_a_funnel(table: pd.DataFrame, tmp_path: Path) -> None:
    funnel = tmp_path / "funnel.csv"
    steps = "step,dropped,corrected,rows,published_rows\nworkbook,0,0,12062,12062\nmade_step,3,0,"
    funnel.write_text(steps + "many,\n")
    own = table.assign(split=["train", "test"] * (len(table) // 2) + ["train"] * (len(table) % 2))
    with pytest.raises(SourceError, match="line 3: rows is 'many', not a number"):
        audit(own, output=tmp_path / "audit", funnel=funnel)
    assert not (tmp_path / "audit").exists()
    funnel.write_text(steps + "12059,\n")
    audit(own, output=tmp_path / "audit", funnel=funnel)
    page = (tmp_path / "audit" / "audit.html").read_text()
    assert page.count("data:image/svg+xml;base64,") == 3
    assert "made_step" in page


def test_folds_and_cold_targets(table: pd.DataFrame, sides: dict[str, Sides]) -> None:
    folds = make_split(table, protocol="kfold", folds=2)
    assert set(folds["split"]) <= {ALWAYS_TRAIN, 0, 1}
    fold = dict(zip(folds["id"], folds["split"], strict=True))
    for test_fold in set(fold.values()) - {ALWAYS_TRAIN}:
        part = {name: "test" if value == test_fold else "train" for name, value in fold.items()}
        rows = audit_split(list(sides.values()), part)
        assert not rows[rows.against == "train"].strict_violation.any()

    cold = make_split(table, protocol="cold-target")
    part = dict(zip(cold["id"], cold["split"], strict=True))
    chains = {value: set() for value in part.values()}  # type: dict[str, set[str]]
    for name, value in part.items():
        chains[value] |= set(sides[name].receptor)
    assert not chains["train"] & (chains.get("test", set()) | chains.get("validation", set()))


@pytest.mark.slow
def test_what_the_receptor_families_missed_is_found_and_joined(
    sides: dict[str, Sides], monkeypatch: pytest.MonkeyPatch
) -> None:
    similarity = ReceptorSimilarity(list(sides.values()))
    whole = similarity.groups
    assert len(whole) > 3
    apart = [[name] for group in whole for name in group]
    monkeypatch.setattr("data_curation.splits.strict.receptor_groups", lambda *_, **__: apart)
    features = {name: np.ones(1) for name in sides}
    part = strict_split(ReceptorSimilarity(list(sides.values())), features)
    receptors = {value: set[str]() for value in part.values()}
    for name, value in part.items():
        receptors[value] |= similarity.compared(sides[name])
    assert set(receptors) == {"train", "validation", "test"}
    for first, second in combinations(receptors.values(), 2):
        assert not similar_across(first, second)


def test_complexes_without_an_entry_are_entries_of_their_own() -> None:
    rows = pd.DataFrame({"id": list("abc"), "ligand": "MKV", "receptor": "GGS", "pdb": ["1ABC", None, None]})
    assert [item.pdb for item in sides_of(rows)] == ["1ABC", "b", "c"]


def test_a_fold_tests_the_next_validates_and_the_rest_trains(tmp_path: Path) -> None:
    gaps = pd.DataFrame({"id": list("abcd"), "fold": [0, 1, None, 2]})
    assert assigned_parts(gaps, "fold:1") == {"a": "train", "b": "test", "d": "validation"}
    rows = pd.DataFrame({"id": list("abcde"), "fold": [0, 1, 2, ALWAYS_TRAIN, 2]})
    assert list(assigned_parts(rows, "fold:0").values()) == ["test", "validation", "train", "train", "train"]
    path = tmp_path / "folds.csv"
    rows.rename(columns={"fold": "split"}).to_csv(path, index=False)
    assert list(assigned_parts(rows, f"{path}:2").values()) == [
        "validation",
        "train",
        "test",
        "train",
        "test",
    ]
    for split, message in (
        ("fold:3", "fold 3 is not there; folds are numbers, found: 0, 1, 2"),
        ("fold", "a is in '0'; the parts are train .*, or fold:K"),
        ("id:0", "found: none"),
        ("folds:0", "folds: neither a column nor a file; the table has the columns id, fold"),
    ):
        with pytest.raises(AssignmentError, match=message):
            assigned_parts(rows, split)


def test_parts_may_be_written_in_several_ways(tmp_path: Path) -> None:
    labels = ["Train", "TRAINING", "val", "Valid", " validation", "DEV", "Test"]
    rows = pd.DataFrame({"id": list("abcdefg"), "split": labels})
    expected = ["train", "train", *["validation"] * 4, "test"]
    assert list(assigned_parts(rows, "split").values()) == expected
    rows.to_csv(tmp_path / "split.csv", index=False)
    assert list(assigned_parts(rows, str(tmp_path / "split.csv")).values()) == expected


def test_audit_sees_duplicates_and_swaps(sides: dict[str, Sides]) -> None:
    item = next(iter(sides.values()))
    other = next(c for c in sides.values() if not set(c.chains) & set(item.chains))
    same = replace(item, id="same")
    swapped = Sides("swapped", "9ZZZ", item.receptor, item.ligand)
    part = {item.id: "train", "same": "test", "swapped": "validation", other.id: "validation"}
    rows = audit_split([item, other, same, swapped], part).set_index(["id", "against"])
    assert rows.loc[("same", "train"), ["duplicate", "swapped_duplicate"]].tolist() == [True, False]
    assert rows.loc[("swapped", "train"), ["duplicate", "swapped_duplicate"]].tolist() == [False, True]
    assert rows.loc[("swapped", "train"), "nearest_id"] == item.id
    assert rows.loc[("swapped", "train"), ["nearest_identity", "both_sides"]].tolist() == [1.0, True]
    assert summarise(rows.reset_index()).complexes.tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ratios": (0.8, 0.1, 0.2)}, "sum to 1"),
        ({"ratios": (1.0, 0.0, 0.0)}, "above 0"),
        ({"protocol": "kfold", "folds": 1}, "give 2 or more"),
        ({"min_identity": 30}, "min_identity is 30"),
        ({"coverage": 0}, "coverage is 0"),
        ({"seed": -1}, "seed is -1; give 0 or more"),
    ],
)
def test_wrong_options(table: pd.DataFrame, options: dict[str, object], message: str) -> None:
    with pytest.raises(AssignmentError, match=message):
        make_split(table, **options)


def test_wrong_splits(table: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "split.csv"

    def refused(text: str, message: str) -> None:
        path.write_text(text)
        with pytest.raises(AssignmentError, match=message):
            audit(table, str(path))

    refused("id,split\na,1\n", r"'1'; the parts are train .*, or .*split.csv:K")
    refused("id,part\na,train\n", r"missing column\(s\) split; it has id, part")
    refused("id,split\na,train\na,test\n", "'a' occurs twice")
    refused("id,split\na,holdout\n", "a is in 'holdout'; the parts are train .* in any case$")
    refused("id,split\nnot-there,train\n", "not in the table")
    refused(f"id,split\n{table['id'][0]},test\n", "no complex is in train")
    with pytest.raises(AssignmentError, match="neither a column nor a file"):
        audit(table, str(tmp_path / "absent.csv"))
    with pytest.raises(AssignmentError, match="no column ligand"):
        make_split(table.drop(columns="ligand"))
    with pytest.raises(AssignmentError, match="occurs twice"):
        make_split(pd.concat([table, table]))
