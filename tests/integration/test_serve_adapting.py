"""The server learns from measured variants, ranks a pool and suggests a plate."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from conftest import REPOSITORY
from starlette.testclient import TestClient

import ppi
from ppi.io.predictions import format_csv
from ppi.prediction.adapting.summary import summary_text
from ppi.prediction.suggesting.acquisition import Acquisition
from ppi.prediction.suggesting.liabilities import MEANINGS
from ppi.prediction.suggesting.suggest import suggest
from ppi.serve import schemas
from ppi.serve.app import create_app
from ppi.serve.settings import ServeSettings

EXAMPLES = REPOSITORY / "examples"
MEASURED, POOL, WILD = (
    (EXAMPLES / name).read_text()
    for name in ("hyhel10_measured.csv", "hyhel10_pool.csv", "hyhel10_lysozyme.fasta")
)
GIVEN = {"measured": MEASURED, "wild": WILD}
JOB = "/api/v1/jobs/"


@pytest.fixture(scope="module")
def predictor() -> ppi.Predictor:
    return ppi.Predictor()


@pytest.fixture(scope="module")
def client(predictor: ppi.Predictor) -> Iterator[TestClient]:
    app = create_app(predictor, ServeSettings(max_measured=100, max_pool=100))
    with TestClient(app, base_url="http://localhost") as client:
        yield client


@pytest.fixture(scope="module")
def model(predictor: ppi.Predictor) -> Any:
    return predictor.adapt(EXAMPLES / "hyhel10_measured.csv", wild=EXAMPLES / "hyhel10_lysozyme.fasta")


def job_of(client: TestClient, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return a job once it has finished."""
    answer = client.post(f"/api/v1/{kind}", json=body)
    assert answer.status_code == 202, answer.text
    for _ in range(1200):
        job: dict[str, Any] = client.get(JOB + answer.json()["id"]).json()
        if job["state"] in ("done", "failed"):
            return job
        time.sleep(0.05)
    raise AssertionError("the job does not end")


def test_scores_are_those_of_the_command_line(client: TestClient, model: Any) -> None:
    job = job_of(client, "adapt", GIVEN)
    assert job["state"] == "done", job
    assert job["result"]["summary"] == summary_text(model)
    found = model.validations[""]
    rows = job["result"]["rows"]
    assert [row["predictor"] for row in rows] == [score.name for score in found.left_out]
    assert [row["spearman"] for row in rows] == pytest.approx([score.spearman for score in found.left_out])
    held = {score.name: score for score in found.held_out}
    assert rows[0]["rmse_held_out"] == pytest.approx(held["adapted"].rmse)
    assert rows[1]["predictor"] not in held
    assert rows[1]["rmse_held_out"] is None
    learnt = job["result"]["learnt"]
    points = [(point["variants"], point["spearman"]) for point in learnt["targets"][0]["points"]]
    assert points == [pytest.approx(point) for point in found.curve]
    assert client.get(f"{JOB}{job['id']}/table.csv").text.startswith("predictor,spearman,rmse,")


def test_a_pool_is_ranked(client: TestClient, model: Any) -> None:
    job = job_of(client, "adapt", {**GIVEN, "pool": POOL})
    expected = model.predict(EXAMPLES / "hyhel10_pool.csv").sort_values("rank")
    assert client.get(f"{JOB}{job['id']}/table.csv").text == format_csv(expected)
    assert [row["id"] for row in job["result"]["rows"]] == expected["id"].tolist()


def test_a_plate_is_suggested(client: TestClient, model: Any) -> None:
    body = {**GIVEN, "sites": ["receptor:1:15-21"], "size": 6, "controls": True, "avoid": ["cysteine"]}
    job = job_of(client, "suggest", body)
    assert job["state"] == "done", job
    expected = suggest(model, sites=["receptor:1:15-21"], size=6, controls=True, avoid=["cysteine"])
    assert client.get(f"{JOB}{job['id']}/table.csv").text == format_csv(expected.table)
    assert "suggested by expected-improvement" in job["result"]["summary"]
    assert job["result"]["learnt"]["scores"][0]["predictor"] == "adapted"


@pytest.mark.filterwarnings("ignore:only 4 variants")
def test_few_measurements_are_warned_about(client: TestClient) -> None:
    few = "\n".join(MEASURED.splitlines()[:5])
    job = job_of(client, "adapt", {"measured": few, "wild": WILD})
    assert any("only 4 variants" in text for text in job["result"]["learnt"]["warnings"])


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"measured": "a"}, 422, "column"),
        ({"measured": MEASURED * 5, "wild": WILD}, 413, "variants, and this server allows 100"),
        ({**GIVEN, "wild": ">x"}, 422, "the wild type"),
        ({**GIVEN, "structure": "/etc/passwd"}, 422, "unknown field 'structure'"),
        ({"measured": ""}, 422, "the measured variants: the file is empty"),
    ],
)
def test_wrong_input_gets_one_clear_sentence(
    client: TestClient, body: dict[str, Any], status: int, sentence: str
) -> None:
    answer = client.post("/api/v1/adapt", json=body)
    if answer.status_code == 202:  # the table can be read, and the job says what it lacks
        assert sentence in job_of(client, "adapt", body)["error"]
        return
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert sentence in answer.json()["error"]


def test_mutants_need_a_wild_type(client: TestClient) -> None:
    job = job_of(client, "adapt", {"measured": MEASURED})
    assert job["state"] == "failed"
    assert "no wild type is given" in job["error"]


def test_the_choices_are_those_of_the_library() -> None:
    assert get_args(schemas.Acquisition) == get_args(Acquisition)
    assert list(get_args(schemas.Liability)) == list(MEANINGS)
