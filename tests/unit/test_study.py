"""Studies: cells from settings, and statistics against brute force."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY
from scipy import stats

from ppi.errors import SettingsError
from ppi.evaluation.bootstrap import resample
from ppi.metrics import METRICS, cap_labels
from ppi.study.cells import Configuration, make_cells, make_configurations, slug
from ppi.study.comparison import pair_table, rank_table
from ppi.study.plan import plan_study
from ppi.study.run import run_study
from ppi.study.scores import SplitResults, score_table, scores_of
from ppi.study.settings import StudySettings, read_study
from ppi.study.statistics import holm, mean_ranks, paired_tests, resampled_scores
from ppi.training.settings import TrainSettings


def configurations(**content: Any) -> list[Configuration]:
    return make_configurations(StudySettings(splits=("split",), **content), "study.yaml")


def test_a_grid_becomes_every_combination_over_what_is_fixed() -> None:
    found = configurations(
        fixed={"mixer": "none", "tuning": {"learning_rate": 1e-4}, "backbone": "esm2-8m"},
        grid={"head": ["hp", "ec"], "tuning.method": ["lora", "full"], "learning_rate": [0.001]},
    )
    assert [item.name for item in found] == [
        "hp-lora-learning_rate=0.001",
        "hp-full-learning_rate=0.001",
        "ec-lora-learning_rate=0.001",
        "ec-full-learning_rate=0.001",
    ]
    assert {(item.settings.model.tuning.learning_rate, item.settings.model.mixer) for item in found} == {
        (1e-4, "none")
    }
    assert found[1].settings.model.tuning.method == "full"
    assert found[1].given == {"head": "hp", "tuning.method": "full", "learning_rate": 0.001}


def test_a_value_of_the_grid_replaces_a_mapping_that_is_fixed() -> None:
    losses = [{"listmle": 2}, {"mse": 1, "huber": 0.5}]
    found = configurations(fixed={"losses": {"mse": 1}}, grid={"losses": losses})
    assert [item.settings.losses for item in found] == losses
    assert [item.name for item in found] == ["losses=listmle=2", "losses=mse=1,huber=0.5"]


def test_exclusions_see_fixed_settings_and_defaults_and_impossible_cells() -> None:
    found = configurations(
        fixed={"backbone": "esm2-8m"},
        grid={"head": ["hp", "ec"], "tuning.method": ["frozen", "lora"], "tuning.rank": [8, 4]},
        # A frozen backbone takes no rank: with 4 it cannot be, and must be left out before it is checked.
        exclude=[{"tuning.method": "frozen", "tuning.rank": 4}, {"head": "ec", "mixer": "convbert"}],
    )
    assert [item.name for item in found] == ["hp-frozen-rank=8", "hp-lora-rank=8", "hp-lora-rank=4"]
    # What YAML takes for text is a number all the same.
    kept = configurations(grid={"learning_rate": ["5e-4", 0.001]}, exclude=[{"learning_rate": 0.0005}])
    assert [item.settings.learning_rate for item in kept] == [0.001]


def test_included_cells_say_what_they_are() -> None:
    grid = {"head": ["hp"], "mixer": ["none"]}
    found = configurations(
        grid=grid, include=[{"head": "ec", "mixer": "none", "pooling": "mean"}, {"head": "pad"}]
    )
    assert [item.name for item in found] == ["hp-none", "ec-none-pooling=mean", "head=pad"]
    assert [item.name for item in configurations()] == ["fixed"]
    assert [item.name for item in configurations(include=[{"head": "hp"}])] == ["head=hp"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"grid": {"heda": ["hp"]}}, "configuration hp: heda: .*did you mean head?"),
        ({"grid": {"head": ["hp", "xx"]}}, "configuration xx: head: "),
        ({"grid": {"tuning.ranks": [4]}}, "tuning.ranks: .*did you mean rank?"),
        (
            {"grid": {"tuning.method": ["frozen"], "tuning.rank": [4]}},
            "frozen-rank=4: .*frozen backbone takes no rank",
        ),
        ({"grid": {"head": ["hp"]}, "include": [{"head": "hp"}]}, "head hp and head hp are the same"),
        (
            {"grid": {"head": ["hp", "pad"]}, "include": [{"mixer": "convbert"}]},
            "head pad and mixer convbert",
        ),
        ({"grid": {"head": ["hp"]}, "exclude": [{"head": "ec"}]}, "no combination of the grid has head ec"),
        ({"grid": {"head": ["hp"]}, "exclude": [{"head": "hp"}]}, "leave no configuration"),
        ({"grid": {"head": ["hp"]}, "exclude": [{"haed": "hp"}]}, "no setting haed; did you mean head?"),
        (
            {"fixed": {"mixer": "none"}, "grid": {"mixer.kernel": [3]}},
            "mixer is 'none', give a mapping",
        ),
    ],
)
def test_a_study_that_cannot_be_is_refused(content: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        configurations(**content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"split": ["a"]}, "split: .*did you mean splits?"),
        ({"splits": []}, "splits: "),
        ({"splits": "a", "seeds": [1, 1]}, "seeds: .*1 is listed twice"),
        (
            {"splits": "a", "grid": {"seed": [1]}},
            "grid: .*seed cannot be varied or fixed here: seeds lists the seeds",
        ),
        ({"splits": "a", "fixed": {"members": 3}}, "fixed: .*members"),
        ({"splits": "a", "grid": {"head": "hp"}}, "grid.head: "),
        ({"splits": "a", "jobs": 0}, "jobs: "),
        (["splits"], "is not a mapping of settings"),
    ],
)
def test_unfit_files(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=message):
        read_study(path)


def test_names_are_safe_and_distinct() -> None:
    values = ["a/b", "c/b", "a b", "a-b", "fold:0", None, True, 0.5, [-1, 3], {"mse": 1}]
    names = [slug(value) for value in values]
    assert names[3:8] == ["a-b", "fold.0", "none", "true", "0.5"]
    assert names[8:] == ["-1,3", "mse=1"]
    assert len(set(names)) == len(names)
    assert not any(set(name) & set("/ :'\"") for name in names)


def test_a_request_changes_with_settings_seed_and_data_only() -> None:
    (cell,) = make_cells(configurations(grid={"head": ["hp"]}), ["split"], [0])
    (again,) = make_cells(configurations(fixed={"head": "hp"}), ["other name"], [0])
    (other,) = make_cells(configurations(grid={"head": ["hp"]}), ["split"], [1])
    assert cell.request("data") == again.request("data")
    assert len({cell.request("data"), cell.request("other"), other.request("data")}) == 3


def test_the_example_is_a_study() -> None:
    plan = plan_study(REPOSITORY / "examples" / "study.yaml", "study")
    assert len(plan.cells) == 36
    assert len({cell.name for cell in plan.cells}) == 36


def test_paths_are_seen_from_the_folder(tmp_path: Path, table_path: Path, table: pd.DataFrame) -> None:
    table[["id", "split"]].to_csv(tmp_path / "mine.csv", index=False)
    config = tmp_path / "study.yaml"
    config.write_text(json.dumps({"data": str(table_path), "splits": ["split", str(tmp_path / "mine.csv")]}))
    plan = plan_study(config, tmp_path / "out" / "study")
    own = [split for split in plan.splits.values() if split.name.startswith("mine")]
    assert own[0].argument == "../../mine.csv"
    assert (plan.folder / own[0].data).resolve() == table_path.resolve()
    assert own[0].sha256 == plan.splits["split"].sha256
    assert "--split ../../mine.csv" in plan.command(plan.cells[-1])


def test_a_local_checkpoint_is_found_from_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checkpoint").mkdir()
    monkeypatch.chdir(tmp_path)
    found = configurations(grid={"backbone": ["checkpoint", "residue"]})
    assert [item.settings.model.backbone for item in found] == [
        str(tmp_path.resolve() / "checkpoint"),
        "residue",
    ]
    assert [item.name for item in found] == ["checkpoint", "residue"]


def test_at_least_one_cell_runs_at_a_time(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="jobs is 0; it must be at least 1"):
        run_study(REPOSITORY / "examples" / "study.yaml", output=tmp_path / "study", jobs=0)
    assert not (tmp_path / "study").exists()


def test_holm_by_hand() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005])
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.7])) == pytest.approx([1.0, 1.0])
    assert len(holm(np.empty(0))) == 0


def test_paired_tests_agree_with_resamples_written_out(random: np.random.Generator) -> None:
    measured, groups = random.normal(size=40).round(1), np.repeat(np.arange(10), 4)
    predictions = {
        name: measured + random.normal(0, noise, 40) for name, noise in (("a", 1), ("b", 1), ("c", 4))
    }
    found = paired_tests(measured, predictions, groups, resamples=300, seed=3)
    draws = resample(groups, resamples=300, seed=3).astype(int)

    def rho(name: str, rows: np.ndarray) -> float:
        return float(stats.spearmanr(measured[rows], predictions[name][rows])[0])

    for (first, second), row in zip(itertools.combinations("abc", 2), found.itertuples(), strict=True):
        assert (row.first, row.second) == (first, second)
        every = np.arange(40)
        assert row.difference == pytest.approx(rho(first, every) - rho(second, every))
        samples = [
            rho(first, rows) - rho(second, rows) for rows in (np.repeat(every, counts) for counts in draws)
        ]
        assert (row.lower, row.upper) == pytest.approx(tuple(np.percentile(samples, (2.5, 97.5))))
        rarer = min(sum(s <= 0 for s in samples), sum(s >= 0 for s in samples))
        assert row.p == pytest.approx(min(1, 2 * (1 + rarer) / 301))
    assert found["p_holm"].to_numpy() == pytest.approx(holm(found["p"].to_numpy()))


def test_references_leave_only_their_pairs(random: np.random.Generator) -> None:
    measured, groups = random.normal(size=40), np.arange(40) // 2
    predictions = {name: measured + random.normal(size=40) for name in "abcd"}
    found = paired_tests(measured, predictions, groups, references=["c"], resamples=99)
    every = paired_tests(measured, predictions, groups, resamples=99)
    chosen = every[(every["first"] == "c") | (every["second"] == "c")]
    assert list(zip(found["first"], found["second"], strict=True)) == [("a", "c"), ("b", "c"), ("c", "d")]
    assert found["p"].tolist() == chosen["p"].tolist()
    assert found["p_holm"].tolist() == holm(chosen["p"].to_numpy()).tolist()
    with pytest.raises(SettingsError, match="references: there is no configuration pd; did you mean pad"):
        configurations(grid={"head": ["hp", "pad"]}, references=["pd"])


def test_extremes_of_paired_tests(random: np.random.Generator) -> None:
    measured = random.normal(size=60)
    predictions = {"right": measured, "same": measured, "wrong": -measured}
    found = paired_tests(measured, predictions, np.arange(60), resamples=999).set_index(["first", "second"])
    assert found.loc[("right", "same"), ["difference", "p", "p_holm"]].tolist() == [0, 1, 1]
    assert found.loc[("right", "wrong"), "p"] == pytest.approx(2 / 1000)
    assert found.loc[("right", "wrong"), "p_holm"] == pytest.approx(6 / 1000)
    alone = paired_tests(measured, predictions, np.zeros(60), resamples=99)
    assert alone["p"].isna().all()
    assert alone["difference"].tolist() == pytest.approx([0, 2, 2])


def test_a_test_without_difference_is_rarely_significant(random: np.random.Generator) -> None:
    p = []
    for _ in range(120):
        truth, groups = random.normal(size=60), np.repeat(np.arange(30), 2)
        pair = {name: truth + random.normal(size=60) for name in "ab"}
        p.append(paired_tests(truth, pair, groups, resamples=199)["p"][0])
    # 6 of 120 are expected at 5 %; a one-sided or unpaired test is far outside of this.
    assert 1 <= (np.array(p) < 0.05).sum() <= 17
    assert np.mean(p) == pytest.approx(0.5, abs=0.12)


def test_mean_ranks_are_those_of_all_choices_of_seeds(random: np.random.Generator) -> None:
    splits = [[random.normal(size=(1, seeds)).round(1) for seeds in (2, 3, 1)] for _ in range(2)]
    by_split = []
    for scores in splits:
        choices = itertools.product(*(of_one[0] for of_one in scores))
        by_split.append(np.mean([stats.rankdata(-np.array(runs)) for runs in choices], axis=0))
    found = mean_ranks(splits)
    assert found.mean == pytest.approx(np.mean(by_split, axis=0))
    assert found.mean.sum() == pytest.approx(6)
    assert np.isnan(found.lower).all()


def test_intervals_of_ranks_know_of_seeds_and_complexes(random: np.random.Generator) -> None:
    better = [np.full((200, 3), 0.9), np.full((200, 3), 0.1)]
    sure = mean_ranks([better])
    assert (sure.mean, sure.lower, sure.upper) == tuple(pytest.approx([1, 2]) for _ in range(3))
    seeds = np.tile([[0.1, 0.5, 0.9]], (200, 1))
    by_seed = mean_ranks([[seeds, np.full((200, 3), 0.6)]])
    assert by_seed.mean == pytest.approx([1 + 2 / 3, 1 + 1 / 3])
    assert by_seed.lower[0] < by_seed.mean[0] < by_seed.upper[0]
    by_complex = mean_ranks([[random.normal(0.5, 0.1, (200, 1)), random.normal(0.5, 0.1, (200, 1))]])
    assert (by_complex.lower[0], by_complex.upper[0]) == (1, 2)


def results(random: np.random.Generator, name: str, seeds: dict[str, int]) -> SplitResults:
    rows = pd.DataFrame(
        {
            "id": [f"c{i}" for i in range(60)],
            "part": ["validation"] * 24 + ["test"] * 36,
            "measured": random.normal(8, 2, 60),
            "group": [f"g{i // 3}" for i in range(60)],
            "identity": np.where(np.arange(60) % 3 == 0, 0.3, 0.1),
            "train mean": np.full(60, 8.0),
        }
    )
    measured = rows["measured"].to_numpy()
    predicted = {
        item: np.stack([measured + random.normal(0, 1 + 2 * place, 60) for _ in range(count)])
        for place, (item, count) in enumerate(seeds.items())
    }
    return SplitResults(name, rows, predicted, dict.fromkeys(seeds, 2.0))


def test_the_table_says_what_the_predictions_say(random: np.random.Generator) -> None:
    result = results(random, "split", {"worse_last": 1, "noisy": 3})
    table = score_table([result], {"noisy": {"head": "hp"}}).set_index("predictor")
    assert table.index.tolist() == ["worse_last", "noisy", "train mean"]
    assert table["kind"].tolist() == ["configuration", "configuration", "baseline"]
    rows, row = result.rows, table.loc["noisy"]
    measured, predicted = rows["measured"].to_numpy(), result.predicted["noisy"]
    by_seed = [METRICS["rmse"](measured[24:], values[24:]) for values in predicted]
    assert row["test_rmse_mean"] == pytest.approx(np.mean(by_seed))
    assert row["test_rmse_sd"] == pytest.approx(np.std(by_seed, ddof=1))
    assert row["test_rmse_ensemble"] == pytest.approx(METRICS["rmse"](measured[24:], predicted.mean(0)[24:]))
    assert (row["seeds"], row["head"], row["test_similar_n"], row["test_new_n"]) == (3, "hp", 12, 24)
    assert np.isnan(table.loc["worse_last", "test_rmse_sd"])
    scores = scores_of(rows, predicted[0])
    assert scores["test_capped_pearson"] == METRICS["pearson"](cap_labels(measured[24:]), predicted[0, 24:])
    new = (rows["part"] == "test") & (rows["identity"] < 0.3)
    assert scores["test_new_spearman"] == METRICS["spearman"](measured[new], predicted[0, new])
    assert scores["validation_mae"] == METRICS["mae"](measured[:24], predicted[0, :24])
    few = rows.assign(identity=np.where(np.arange(60) > 51, 0.9, 0.0))
    assert np.isnan(scores_of(few, predicted[0])["test_similar_spearman"])


def test_comparisons_use_test_rows_and_what_every_split_has(random: np.random.Generator) -> None:
    first = results(random, "one", {"a": 2, "b": 1, "c": 1})
    second = results(random, "two", {"a": 2, "b": 3})
    pairs = pair_table([first, second], {"one": ["b", "a", "c"], "two": ["a", "b"]})
    assert pairs[["split", "first", "second"]].to_numpy().tolist() == [
        ["one", "b", "a"],
        ["one", "b", "c"],
        ["one", "a", "c"],
        ["two", "a", "b"],
    ]
    measured, test = first.rows["measured"].to_numpy(), first.test
    rho = [stats.spearmanr(measured[test], first.predicted[name].mean(0)[test])[0] for name in "ba"]
    assert pairs["difference"][0] == pytest.approx(rho[0] - rho[1])
    ranks = rank_table([first, second])
    assert ranks["configuration"].tolist() == ["a", "b"]
    assert ranks["rank"].sum() == pytest.approx(3)
    assert rank_table([first, results(random, "two", {"d": 1})]).empty


def test_scores_of_resamples_come_in_blocks(random: np.random.Generator) -> None:
    measured, predicted = random.normal(size=(2, 12))
    draws = resample(np.arange(12), resamples=2_300)
    found = resampled_scores(measured, predicted, draws)
    assert len(found) == 2_301
    rows = np.repeat(np.arange(12), draws[2_150].astype(int))
    assert found[2_151] == pytest.approx(stats.spearmanr(measured[rows], predicted[rows])[0])
    assert found[0] == pytest.approx(stats.spearmanr(measured, predicted)[0])


def test_defaults_of_a_study_are_those_of_training() -> None:
    assert configurations()[0].settings == TrainSettings()
