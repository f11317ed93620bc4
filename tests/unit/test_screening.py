"""The parts of a screen: inputs, ranking, blocks, novelty of pairs, estimate, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import random_chain

from data_curation.errors import OutputError
from ppi.complexes import Complex
from ppi.errors import InputError, SettingsError
from ppi.io.pairs import read_pairs
from ppi.io.sides import Side, read_sides
from ppi.prediction.novelty import NoveltyIndex
from ppi.prediction.screening import targets as targets_module
from ppi.prediction.screening.estimate import Estimate
from ppi.prediction.screening.familiarity import Familiarity, SideHits
from ppi.prediction.screening.output import COLUMNS, check_output, join_parts, write_part
from ppi.prediction.screening.ranking import ranking
from ppi.prediction.screening.settings import ScreenSettings
from ppi.prediction.screening.targets import Targets

LIGANDS = [Side(f"l{number}", ("ACDEFGHIK" + "A" * number,)) for number in range(3)]
RECEPTORS = [Side(f"r{number}", ("KLMNPQRST" + "G" * number,)) for number in range(4)]


def test_rank_is_by_pkd_and_then_by_the_lower_end_of_the_interval() -> None:
    pkd = np.array([7.0, 9.0, 7.0, 8.0, 7.0])
    half = np.array([0.2, 0.3, 0.1, 0.9, 0.2])
    found = ranking(pkd, pkd - half, pkd + half)
    assert found.rank.tolist() == [4, 1, 3, 2, 4]
    assert found.order.tolist() == [1, 3, 2, 0, 4]
    # 8.0 +- 0.9 reaches all but itself; 9.0 +- 0.3 meets nothing but that.
    assert found.overlapping.tolist() == [3, 1, 3, 4, 3]


def test_overlapping_counts_what_two_loops_count() -> None:
    random = np.random.default_rng(0)
    pkd, half = random.normal(size=60).round(1), random.uniform(0, 0.5, size=60).round(1)
    lower, upper = pkd - half, pkd + half
    counted = [
        sum(lower[j] <= upper[i] and upper[j] >= lower[i] for j in range(60) if j != i) for i in range(60)
    ]
    assert ranking(pkd, lower, upper).overlapping.tolist() == counted


def test_z_score_is_empty_for_fewer_than_ten() -> None:
    pkd = np.arange(10.0)
    assert np.isnan(ranking(pkd[:9], pkd[:9], pkd[:9]).z_score).all()
    found = ranking(pkd, pkd, pkd).z_score
    assert found.mean() == pytest.approx(0)
    assert found.std(ddof=1) == pytest.approx(1)
    assert np.isnan(ranking(np.ones(12), np.ones(12), np.ones(12)).z_score).all()


@pytest.mark.parametrize("per", ["ligand", "receptor"])
def test_blocks_hold_complete_targets(per: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets_module, "BLOCK_PAIRS", 7)
    targets = Targets(LIGANDS, RECEPTORS, per)
    blocks = list(targets.blocks())
    assert blocks == ([(0,), (1,), (2,)] if per == "ligand" else [(0, 1), (2, 3)])
    pairs = {pair for block in blocks for pair in zip(*map(list, targets.pairs_of(block)), strict=True)}
    assert pairs == {(ligand, receptor) for ligand in range(3) for receptor in range(4)}
    assert (targets.pairs, targets.rows(2), targets.rows(None)) == (12, 6 if per == "ligand" else 8, 12)


def test_listed_pairs_keep_their_order_and_leave_sides_without_any_out() -> None:
    pairs = np.array([[2, 3], [0, 1], [2, 1], [0, 3]])
    targets = Targets.listed(LIGANDS, RECEPTORS, "receptor", pairs)
    assert [side.id for side in targets.ligands] == ["l0", "l2"]
    assert [side.id for side in targets.receptors] == ["r1", "r3"]
    assert list(targets.blocks()) == [(0, 1)]
    assert [targets.of(target).tolist() for target in (0, 1)] == [[0, 1], [1, 0]]
    assert (targets.pairs, targets.rows(1)) == (4, 2)


def test_sides_are_read_from_fasta_tables_and_mappings(tmp_path: Path) -> None:
    fasta, table = tmp_path / "sides.fasta", tmp_path / "sides.csv"
    fasta.write_text(">a some words\nACDB:GHI\n>b\nKLM\n")
    table.write_text("id,sequence\na,ACDB:GHI\nb,KLM\n")
    sides = read_sides(fasta, "ligand")
    assert [(side.id, side.chains) for side in sides] == [("a", ("ACDX", "GHI")), ("b", ("KLM",))]
    assert sides[0].notes == ("chain 1: B replaced by X",)
    for other in (table, pd.read_csv(table), {"a": ["ACDB", "GHI"], "b": "KLM"}):
        assert read_sides(other, "ligand") == sides


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (">a\nAC\n>a\nCD\n", "line 3, record '>a': the id 'a' occurs twice"),
        (">a\nAC1\n", "line 1, record '>a', chain 1, position 3: '1' is not an amino acid"),
        (">a\nAC\n>\nCD\n", "line 3: the header is empty"),
        (">a|ligand|H\nAC\n>a|receptor|A\nCD\n", "line 1, record '>a.ligand.H': 'ligand' in a header is for"),
        (">sp|P1|A\nAC\n>b | Receptor x\nCD\n", "line 3, .*: 'Receptor' .* one record a side, such as '>b'"),
        ("", "the file is empty; give a FASTA file with one record a side"),
    ],
)
def test_wrong_sides_give_one_error(text: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "sides.fasta"
    path.write_text(text)
    with pytest.raises(InputError, match=expected):
        read_sides(path, "ligand")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".xlsx"])
def test_pairs_are_read_from_every_kind_of_table(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"pairs{suffix}"
    frame = pd.DataFrame({"Receptor": ["r1", "r0"], "Ligand": ["l2", "l0"], "note": ["x", "y"]})
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".xlsx":
        frame.to_excel(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    assert read_pairs(path, LIGANDS, RECEPTORS).tolist() == [[2, 1], [0, 0]]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            "l0,r0\nl9,r0\nl8,r1\nl7,r1\nl6,r1\n",
            r"pairs.csv: 4 row\(s\) name a ligand that is not among the 3 ligands: row 2 \(line 3\): 'l9', "
            r"row 3 \(line 4\): 'l8', row 4 \(line 5\): 'l7', \.\.\.",
        ),
        ("l0,r0\nl1,NA\n", r"row 2 \(line 3\): 'NA'"),
        ("l0,r0\nl1,\n", r"row 2 \(line 3\): ''"),
        ("l0,r0\nl1,r0\nl0,r0\n", r"row 3 \(line 4\) repeat a pair of an earlier row"),
        ("", "there are no pairs"),
    ],
)
def test_wrong_pairs_give_one_error_with_line_and_file(rows: str, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text("ligand,receptor\n" + rows)
    with pytest.raises(InputError, match=expected):
        read_pairs(path, LIGANDS, RECEPTORS)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["ACDEF"], "the ligands: number 1 is 'ACDEF'; give sides, or a mapping by id"),
        ({"a": "ACD", " ": "ACD"}, "ligand ' ': the id is empty"),
        (pd.DataFrame({"id": ["a", None], "sequence": ["ACD", "ACD"]}), "row 2, id '': the id is empty"),
        (pd.DataFrame({"id": ["a", "a "], "sequence": ["ACD", "ACD"]}), "the id 'a' occurs twice"),
        (pd.DataFrame({"id": ["a"], "sequence": [None]}), "the sequence is None; give residues"),
        ({}, "the ligands: there are no sides"),
    ],
)
def test_wrong_sides_in_memory_give_one_error(given: object, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        read_sides(given, "ligand")


def test_sides_that_were_read_before_keep_what_was_changed_in_them() -> None:
    once = read_sides({1: "ACDB"}, "ligand")
    assert once == read_sides(once, "ligand") == [Side("1", ("ACDX",), ("chain 1: B replaced by X",))]


@pytest.mark.parametrize("pair", ["ab", ("l0", "r0", "r1")])
def test_pairs_that_are_no_tuples_of_two_are_refused(pair: object) -> None:
    with pytest.raises(InputError, match="the pairs: number 2 is .*; give"):
        read_pairs([("l0", "r0"), pair], LIGANDS, RECEPTORS)


def test_an_empty_file_of_pairs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.touch()
    with pytest.raises(InputError, match="the file is empty; give a table with columns ligand and receptor"):
        read_pairs(path, LIGANDS, RECEPTORS)


def test_pairs_without_a_column_are_refused() -> None:
    with pytest.raises(InputError, match="there is no column receptor"):
        read_pairs(pd.DataFrame({"ligand": ["l0"]}), LIGANDS, RECEPTORS)


@pytest.mark.parametrize("values", [{"per": "both"}, {"top_k": 0}, {"min_pkd": np.nan}])
def test_impossible_settings_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match="give"):
        ScreenSettings(**values)


def test_novelty_of_pairs_is_that_of_the_index() -> None:
    random = np.random.default_rng(3)
    chains = [random_chain(random, 70) for _ in range(6)]

    def changed(chain: str, count: int) -> str:
        places = random.choice(len(chain), size=count, replace=False)
        return "".join("A" if place in places else residue for place, residue in enumerate(chain))

    def side() -> tuple[str, ...]:
        return tuple(
            changed(chains[random.integers(6)], int(random.integers(0, 30)))
            for _ in range(random.integers(1, 3))
        )

    # Homomers and complexes in both role orders are among them, so that many are equally near.
    training = [Complex(f"t{number}", side(), side(), pkd=7.0) for number in range(25)]
    training += [Complex(f"x{item.id}", item.receptor, item.ligand) for item in training[:8]]
    training += [Complex("homomer", (chains[0],), (chains[0],))]
    sides = [side() for _ in range(20)] + [(chains[0],), (random_chain(random, 50),)]
    index = NoveltyIndex(training)
    familiarity = Familiarity(index, SideHits.collect([SideHits.of(one) for one in index.of_sides(sides)]))
    named = 0
    for target in range(len(sides)):
        found = familiarity.nearest(target, np.arange(len(sides)))
        for other, (identity, number) in enumerate(zip(*found, strict=True)):
            expected = index.nearest([Complex("pair", sides[other], sides[target])])[0]
            assert (None if number < 0 else training[number].id) == expected.id
            assert identity == expected.pair_identity
            named += expected.id is not None
    assert 100 < named < len(sides) ** 2


def estimate_of(**values: float) -> Estimate:
    given = {"seconds": 10.0, "memory_bytes": 1e6, "disk_bytes": 1e6} | values
    return Estimate(ligands=2, receptors=3, pairs=6, rows=6, **given)


def test_an_estimate_within_the_limits_passes(tmp_path: Path) -> None:
    estimate_of().check(1, tmp_path)
    estimate_of(disk_bytes=1e15).check(1, None)


def test_rows_that_stay_in_memory_count_as_memory(tmp_path: Path) -> None:
    large = replace(estimate_of(), rows=10**12)
    large.check(1, tmp_path)
    with pytest.raises(InputError, match="more memory than"):
        large.check(1, None)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"seconds": 6e7}, "about 694.4 days.*longer than --max-hours 24"),
        ({"disk_bytes": 9e18}, "9,000,000.0 TB of disk.*more disk than the"),
        ({"memory_bytes": 1e15}, "more memory than the"),
    ],
)
def test_what_is_too_large_is_refused_with_a_way_out(
    values: dict[str, float], expected: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"6 pairs.*{expected}.*name the pairs that matter with --pairs"):
        estimate_of(**values).check(24, tmp_path)


def rows(count: int) -> pd.DataFrame:
    frame = pd.DataFrame({name: np.arange(float(count)) for name in COLUMNS})
    texts = {
        name: np.array([f"{name}, {row}" for row in range(count)], dtype=object)
        for name in ("ligand", "receptor", "warnings", "model")
    }
    empty = {name: np.full(count, None, dtype=object) for name in ("novelty", "nearest_complex")}
    counts = {name: np.arange(count) for name in ("rank", "overlapping", "anchors")}
    return frame.assign(**texts, **empty, **counts, truncated=False)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_parts_are_joined_in_order_below_one_header(suffix: str, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}{suffix}" for number in range(3)]
    for path, count in zip(paths, (2, 0, 3), strict=True):
        write_part(rows(count), path)
    target = tmp_path / f"out{suffix}"
    assert join_parts(paths, target) == 5
    if suffix == ".parquet":
        table = pd.read_parquet(target)
    else:
        table = pd.read_csv(target, sep="\t" if suffix == ".tsv" else ",")
    assert list(table.columns) == list(COLUMNS)
    assert table["pkd"].tolist() == [0, 1, 0, 1, 2]
    assert table["ligand"].tolist()[-1] == "ligand, 2"
    assert table["nearest_complex"].isna().all()


def test_an_output_that_exists_or_has_another_suffix_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("mine")
    with pytest.raises(OutputError, match="exists and is left as it is"):
        check_output(path)
    with pytest.raises(InputError, match="unknown suffix '.json'"):
        check_output(tmp_path / "out.json")
    assert path.read_text() == "mine"
