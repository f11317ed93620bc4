"""Strata, ceilings, baselines and coverage of an evaluation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import random_chain

from data_curation.audit.leakage import similar_chains
from data_curation.splits.clustering import search
from ppi.complexes import Complex
from ppi.embedding.engine import embed_units
from ppi.errors import InputError, PpiWarning
from ppi.evaluation.baselines import BASELINES, SEQUENCE_BASELINES
from ppi.evaluation.ceiling import label_noise, noise_ceiling, replicate_noise
from ppi.evaluation.coverage import calibration_curve, coverage, reliability_bins
from ppi.evaluation.embedding_features import mean_embeddings
from ppi.evaluation.evaluate import evaluate
from ppi.evaluation.neighbours import highest_identity, nearest_neighbour
from ppi.evaluation.strata import Stratum, strata_of
from ppi.evaluation.within_target import mutation_series, score_series
from ppi.io.tables import ComplexTable, read_complexes
from ppi.metrics import METRICS, rmse
from ppi.models.affinity import AffinityModel
from ppi.models.config import ModelConfig
from ppi.models.folder import TrainedModel
from ppi.prediction.engine import predict_members


class ConstantHalfWidth:
    """A calibration whose intervals are all as wide."""

    level = 0.9

    def half_width(self, spread: np.ndarray, identity: np.ndarray) -> np.ndarray:
        assert spread.shape == identity.shape
        return np.full(len(spread), 1.5)


@pytest.fixture
def nothing_similar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the searches of chains that are as good as random."""
    monkeypatch.setattr("data_curation.audit.leakage.search", lambda *_, **__: search({}, {}))


@pytest.fixture(scope="module")
def tiny_random_model() -> TrainedModel:
    torch.manual_seed(0)
    model = AffinityModel(ModelConfig(head="hp", mixer="none", members=2, label_mean=7.0)).eval()
    return TrainedModel(
        "tiny", model, ConstantHalfWidth(), (), frozenset({"MKVLAAGIW"}), {"data_sha256": "0" * 64}
    )


@pytest.mark.usefixtures("nothing_similar")
def test_scores_are_those_of_the_predictions(
    tmp_path: Path, table_path: Path, tiny_random_model: TrainedModel
) -> None:
    result = evaluate(tiny_random_model, data=table_path, output=tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == result
    assert list(result["scores"]) == list(result["capped_scores"]) == ["tiny", *BASELINES]
    test = read_complexes(table_path).part("test")
    predicted = predict_members(tiny_random_model.model, test.complexes).mean
    scores = result["scores"]["tiny"]["all"]
    assert scores["n"] == 12
    for name, metric in METRICS.items():
        assert scores[name]["value"] == pytest.approx(metric(test.measured_pkd("test"), predicted))
    assert result["bootstrap"] == {"column": "pdb", "groups": 12, "resamples": 1000}
    assert result["data"]["split"] == "split"
    assert result["ceiling"] is None
    assert result["within_target"] == {}
    small = [stratum["name"] for stratum in result["strata"] if not stratum["scored"]]
    assert small == ["one", "two"]
    assert set(result["scores"]["tiny"]) == {s["name"] for s in result["strata"]} - set(small)


@pytest.mark.usefixtures("nothing_similar")
def test_baselines_are_a_choice(table_path: Path, tiny_random_model: TrainedModel) -> None:
    few = evaluate(tiny_random_model, data=table_path, baselines="sequence")
    assert list(few["scores"]) == ["tiny", *SEQUENCE_BASELINES]
    train = read_complexes(table_path).part("train")
    train_mean = np.average(train.measured_pkd("train"))  # two complexes an entry: all weigh the same
    test = read_complexes(table_path).part("test").measured_pkd("test")
    found = few["scores"]["train mean"]["all"]["rmse"]["value"]
    assert found == pytest.approx(rmse(test, np.full(12, train_mean)), abs=0.05)
    only_model = evaluate(tiny_random_model, data=table_path, baselines="none")
    assert list(only_model["scores"]) == ["tiny"]
    with pytest.raises(InputError, match="baselines is 'some'; choose one of all, sequence, none"):
        evaluate(tiny_random_model, data=table_path, baselines="some")


@pytest.mark.usefixtures("nothing_similar")
def test_complexes_that_were_trained_on_have_a_warning(
    table_path: Path, tiny_random_model: TrainedModel
) -> None:
    table = read_complexes(table_path)
    seen = table.part("test").complexes[:2]
    partly = table.part("test").complexes[2]
    chains = (*seen[0].chains, *seen[1].chains, *partly.ligand)
    model = replace(tiny_random_model, training_chains=frozenset(chains))
    with pytest.warns(PpiWarning, match="2 of 12 complexes have only chains that the model was trained on"):
        result = evaluate(model, data=table, baselines="none")
    assert result["trained_on"] == 2
    assert "2 of 12" in result["warnings"][0]
    assert result["scores"]["tiny"]["not trained on"]["n"] == 10


def test_strata_by_novelty_wild_type_and_source() -> None:
    columns = pd.DataFrame({"mutations": ["", "A_K1E", None, ""], "source": ["x", "y", "x", "x"]})
    identity = np.array([0.0, 0.3, 0.9, 1.0])
    found = {s.name: s.rows.nonzero()[0].tolist() for s in strata_of(columns, identity, np.zeros(4, bool))}
    assert found == {
        "all": [0, 1, 2, 3],
        "a chain >= 30% identical to a training chain": [1, 2, 3],
        "no chain >= 30% identical to a training chain": [0],
        "nearest identity 0-30%": [0],
        "nearest identity 30-50%": [1],
        "nearest identity 90-100%": [2, 3],
        "wild types": [0, 2, 3],
        "x": [0, 2, 3],
        "y": [1],
    }


def test_a_source_does_not_take_the_place_of_all() -> None:
    columns = pd.DataFrame({"source": ["all", "x", "x", "wild types"], "mutations": ["", "", "A_K1E", ""]})
    found = {s.name: s.rows.nonzero()[0].tolist() for s in strata_of(columns, np.ones(4), np.zeros(4, bool))}
    assert found["all"] == [0, 1, 2, 3]
    assert found["wild types"] == [0, 1, 3]
    assert (found["source all"], found["source wild types"], found["x"]) == ([0], [3], [1, 2])


@pytest.mark.usefixtures("nothing_similar")
def test_another_split_than_that_of_the_training_has_a_warning(
    table_path: Path, tiny_random_model: TrainedModel
) -> None:
    named = {"name": table_path.name, "split": "fold:1"}
    model = replace(tiny_random_model, manifest=tiny_random_model.manifest | {"data": named})
    with pytest.warns(PpiWarning, match="trained on the split fold:1 of .*, but is evaluated on split"):
        result = evaluate(model, data=table_path, baselines="none")
    assert "fold:1" in result["warnings"][0]
    elsewhere = replace(model, manifest=model.manifest | {"data": named | {"name": "other.csv"}})
    assert evaluate(elsewhere, data=table_path, baselines="none")["warnings"] == []


def test_ranking_within_targets(random: np.random.Generator) -> None:
    columns = pd.DataFrame({"pdb": ["a"] * 8 + ["b"] * 9 + ["c"] * 7 + ["same"] * 8 + [None]})
    measured = random.normal(size=33)
    measured[24:32] = 7.0
    series = mutation_series(columns, measured)
    assert {name: len(rows) for name, rows in series.items()} == {"a": 8, "b": 9}
    predicted = measured.copy()
    predicted[8:17] *= -1
    found = score_series(measured, predicted, series)
    assert (found["count"], found["share_positive"]) == (2, 0.5)
    assert found["mean"] == pytest.approx({"value": 0.0, "lower": -1.0, "upper": 1.0})
    assert found["series"] == {"a": {"n": 8, "spearman": 1.0}, "b": {"n": 9, "spearman": -1.0}}
    assert mutation_series(pd.DataFrame(index=range(33)), measured) == {}


def test_noise_is_pooled_over_replicates_and_copies_are_told_apart() -> None:
    columns = pd.DataFrame({"pkd_sd": [0.3, 0.6, 0.0, np.nan], "n_replicates": [2, 4, 2, 1]})
    noise = replicate_noise(columns)
    assert noise is not None
    assert (noise.groups, noise.copies) == (3, 1)
    assert noise.sd == pytest.approx(np.sqrt((0.09 + 3 * 0.36) / 5))
    assert noise.sd_without_copies == pytest.approx(np.sqrt((0.09 + 3 * 0.36) / 4))
    assert label_noise(columns, 0.4, copies=True) == pytest.approx(0.4 / np.sqrt([2, 4, 2, 1]))
    assert label_noise(columns, 0.4, copies=False) == pytest.approx(0.4 / np.sqrt([2, 4, 1, 1]))
    assert replicate_noise(columns[["pkd_sd"]]) is None
    assert replicate_noise(columns[3:]) is None
    with pytest.raises(InputError, match="the column n_replicates contains text"):
        replicate_noise(columns.assign(n_replicates="two"))


def test_ceiling_is_what_the_truth_reaches(random: np.random.Generator) -> None:
    truth = random.normal(7, 1.2, 4000)
    noise = np.where(np.arange(4000) % 2, 0.4, 0.8)
    labels = truth + noise * random.normal(size=4000)
    found = noise_ceiling(labels[:1500], noise[:1500])
    assert found["reliability"] == pytest.approx(1.44 / (1.44 + 0.4), abs=0.03)
    for name in ("pearson", "spearman", "kendall", "rmse", "mae", "r2"):
        assert found[name] == pytest.approx(METRICS[name](labels, truth), abs=0.03), name
    exact = noise_ceiling(labels[:100], np.zeros(100))
    assert (exact["spearman"], exact["pearson"], exact["rmse"]) == (pytest.approx(1), 1, 0)
    hopeless = noise_ceiling(labels[:100], np.full(100, 9.0))
    assert (hopeless["pearson"], hopeless["r2"], hopeless["kendall"]) == (0, 0, 0)


def test_coverage_of_intervals_by_stratum() -> None:
    error, half_width = np.array([0.5, -3.0, 1.0, 0.0]), np.array([1.0, 2.0, 1.0, 4.0])
    strata = [Stratum("all", "all", np.ones(4, bool)), Stratum("x", "source", np.array([1, 0, 0, 0], bool))]
    found = coverage(error, half_width, strata, np.array([0, 1, 0, 0]))
    assert (found["all"]["n"], found["all"]["coverage"]["value"]) == (4, 0.75)
    assert found["all"]["coverage_of_groups"] == pytest.approx(0.5)
    assert found["all"]["mean_width"] == pytest.approx(4.0)
    assert found["x"]["coverage"]["value"] == 1.0
    assert np.isnan(found["x"]["coverage"]["lower"])


def test_calibration_curve_of_normal_errors_is_the_diagonal(random: np.random.Generator) -> None:
    spread = random.uniform(0.5, 2, 20_000)
    error = spread * random.normal(size=20_000)
    points = calibration_curve(error, 1.2816 * spread, 0.8)
    assert next(point["factor"] for point in points if point["nominal"] == 0.8) == 1.0
    assert all(point["observed"] == pytest.approx(point["nominal"], abs=0.015) for point in points)
    assert {0.1, 0.95} <= {point["nominal"] for point in points}


def test_reliability_bins_rise_and_hold_everything() -> None:
    predicted = np.array([3.0, 1.0, 2.0, 4.0])
    first, second = reliability_bins(predicted + 1, predicted, bins=2)
    assert first == pytest.approx({"n": 2, "predicted": 1.5, "measured": 2.5, "sd": 0.5})
    assert second["n"] == 2
    assert len(reliability_bins(predicted, predicted)) == 4


@pytest.fixture(scope="module")
def relatives(every_pair_aligned: None) -> tuple[list[Complex], list[Complex], pd.DataFrame]:
    """Training complexes, others that are like them, and the similar chains."""
    random = np.random.default_rng(5)
    a, b, c, d, e = (random_chain(random, 80) for _ in range(5))
    near_a = "".join("W" if place % 9 == 4 else residue for place, residue in enumerate(a))
    train = [Complex("1", (a,), (b,)), Complex("2", (a,), (c,)), Complex("3", (d,), (c,))]
    test = [Complex("same", (a,), (b,)), Complex("swapped", (c,), (near_a,)), Complex("tied", (a,), (e,))]
    test += [Complex("new", (e,), (e,)), Complex("near", (near_a,), (e,))]
    known = [chain for item in train for chain in item.chains]
    return train, test, similar_chains([chain for item in test for chain in item.chains], known)


def test_the_highest_identity_of_any_chain(
    relatives: tuple[list[Complex], list[Complex], pd.DataFrame],
) -> None:
    _, test, hits = relatives
    found = highest_identity(test, hits).tolist()
    assert found[:4] == [1, 1, 1, 0]
    assert 0.8 < found[4] < 1


def test_short_identical_chains_are_similar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data_curation.audit.leakage.search", lambda *_, **__: search({}, {}))
    found = similar_chains(["MKVW", "GGS"], ["MKVW", "TTY"])
    assert found.to_dict("records") == [{"query": "MKVW", "target": "MKVW", "identity": 1.0}]


def test_nearest_training_complex(relatives: tuple[list[Complex], list[Complex], pd.DataFrame]) -> None:
    train, test, hits = relatives
    labels, weight = np.array([4.0, 6.0, 11.0]), np.array([1.0, 3.0, 1.0])
    found = nearest_neighbour(train, labels, weight, test, hits)
    # One entry; it exchanged; two entries that share one side, by their weights; nothing near.
    tied = (4 + 18) / 4
    assert found == pytest.approx([4.0, 6.0, tied, (4 + 18 + 11) / 5, tied])


@pytest.mark.parametrize("head", ["hp", "pad", "sc"])
def test_mean_embeddings_of_sides(head: str) -> None:
    model = AffinityModel(ModelConfig(head=head, mixer="none"))
    complexes = [Complex("1", ("MKV", "GW"), ("DDEEK",)), Complex("2", ("DDEEK",), ("MKV",))]
    found = mean_embeddings(model, complexes)
    assert found.shape == (2, 2 * model.backbone.dim)

    def mean(side: tuple[str, ...]) -> np.ndarray:
        ((_, values),) = next(iter(embed_units(model.backbone, [side])))
        return values.mean(dim=0).numpy()

    for item, row in zip(complexes, found, strict=True):
        expected = np.concatenate([mean(item.ligand), mean(item.receptor)])
        assert np.allclose(row, expected, atol=1e-6)


@pytest.mark.usefixtures("nothing_similar")
def test_result_has_none_instead_of_nan(tiny_random_model: TrainedModel) -> None:
    complexes = [Complex("x", ("MKVLA",), ("GGSTW",), pkd=7.0), Complex("y", ("MKV",), ("GGS",), pkd=7.0)]
    columns = pd.DataFrame({"split": ["test"] * 2, "pdb": ["1ABC"] * 2})
    result = evaluate(tiny_random_model, data=ComplexTable(complexes, columns))
    json.dumps(result, allow_nan=False)
    assert list(result["scores"]) == ["tiny"]
    assert result["scores"]["tiny"]["all"]["r2"] == {"value": None, "lower": None, "upper": None}
    assert result["scores"]["tiny"]["all"]["spearman"]["lower"] is None
