"""The server: the numbers of `predict`, jobs, limits, and requests that mean no good."""

from __future__ import annotations

import gzip
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import REPOSITORY, random_complex
from starlette.testclient import TestClient

import ppi
from ppi.io.predictions import format_csv
from ppi.io.tables import table_of
from ppi.serve.app import create_app
from ppi.serve.batching import Batcher, Options
from ppi.serve.refusals import RefusedError
from ppi.serve.rows import json_rows
from ppi.serve.settings import ServeSettings

FASTA = (REPOSITORY / "examples" / "barnase_barstar.fasta").read_text()
SMALL = {"id": "a", "ligand": "AQVINTFDGVADYLQTYHKLPDNYITKSEAQALG", "receptor": "KKAVINGEQIRSISDL"}
JOB = "/api/v1/jobs/"


@pytest.fixture(scope="module")
def predictor() -> ppi.Predictor:
    return ppi.Predictor()


@pytest.fixture(scope="module")
def client(predictor: ppi.Predictor) -> Iterator[TestClient]:
    with client_of(predictor) as client:
        yield client


def client_of(predictor: ppi.Predictor, **settings: Any) -> TestClient:
    app = create_app(predictor, ServeSettings(**settings), "what the model is\n")
    return TestClient(app, base_url="http://localhost")


def finished(client: TestClient, answer: Any) -> dict[str, Any]:
    """Return a job once it has finished."""
    assert answer.status_code == 202, answer.text
    for _ in range(600):
        job: dict[str, Any] = client.get(JOB + answer.json()["id"]).json()
        if job["state"] in ("done", "failed", "cancelled"):
            return job
        time.sleep(0.05)
    raise AssertionError("the job does not end")


def test_predictions_are_those_of_the_predictor(client: TestClient, predictor: ppi.Predictor) -> None:
    expected = predictor.predict("examples/barnase_barstar.fasta")
    given = {"text": FASTA, "format": "fasta"}
    answer = client.post("/api/v1/predict", json=given)
    assert answer.json() == {"predictions": json.loads(json.dumps(json_rows(expected)))}
    table = client.post("/api/v1/predict", json=given, headers={"Accept": "text/csv"})
    assert table.text == format_csv(expected)
    warm = client.post("/api/v1/predict", json={"text": FASTA, "temperature_kelvin": 310}).json()
    row = warm["predictions"][0]
    assert row["dg_kcal_mol"] == pytest.approx(expected["dg_kcal_mol"][0] * 310 / 298.15)


def test_records_and_csv_give_the_same(client: TestClient) -> None:
    csv = f"id,ligand,receptor\na,{SMALL['ligand']},{SMALL['receptor']}\n"
    answers = [client.post("/api/v1/predict", json=body) for body in ({"complexes": [SMALL]}, {"text": csv})]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["predictions"][0]["nearest_complex"] is None


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"text": ">a|ligand\nACD"}, 422, "the input, line 1: complex 'a' has a ligand but no receptor"),
        ({"text": "x"}, 422, "the input: no column ligand"),
        ({"text": FASTA, "format": "csv"}, 422, "the input: the format is csv, but the text begins with '>'"),
        ({}, 422, "the body: give either complexes"),
        ({"complexes": []}, 422, "there are no complexes"),
        ({"complexes": [SMALL, SMALL]}, 422, "the id 'a' is already that of"),
        ({"complexes": [{**SMALL, "ligand": "AC-D"}]}, 422, "position 3: '-' is a gap of an alignment"),
        ({"complexes": [{**SMALL, "path": "/etc/passwd"}]}, 422, "complexes.0: unknown field 'path'"),
        ({"complexs": [SMALL]}, 422, "unknown field 'complexs'; did you mean complexes?"),
        ({"zzz": 1}, 422, "unknown field 'zzz'; the fields are complexes, text, format, "),
        ({"complexes": [SMALL], "temperature_kelvin": 1}, 422, "temperature_kelvin: Input should be"),
        ({"complexes": [SMALL] * 2001}, 413, "the request has 2,001 complexes, and this server allows 2,000"),
        ({"complexes": [{**SMALL, "ligand": "AG" * 200_001}]}, 413, "residues, and this server allows"),
        ([1], 422, "the body: Input should be a valid dictionary"),
    ],
)
def test_wrong_input_gets_one_clear_sentence(
    client: TestClient, body: Any, status: int, sentence: str
) -> None:
    answer = client.post("/api/v1/predict", json=body)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize(
    ("content", "headers", "status", "sentence"),
    [
        (b"[" * 100_000, {}, 400, "not nested deeply"),
        (b"\x00\xff\xfe", {}, 400, "cannot be read"),
        (b"{", {}, 400, "the body is not JSON"),
        (b'{"complexes": [{"id": "\\ud800", "ligand": "A", "receptor": "A"}]}', {}, 422, "surrogate"),
        (b'{"text": "' + b"A" * 10_000_000 + b'"}', {}, 413, "the body is too large"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "the content type is 'text/plain'"),
        (b"{}", {"Content-Encoding": "gzip"}, 415, "the body is compressed"),
        (gzip.compress(b"A" * 10_000_000), {"Content-Encoding": "gzip"}, 415, "the body is compressed"),
        (gzip.compress(b"A" * 10_000_000), {}, 400, "cannot be read"),
        (b'{"text": "' + b"A" * 4_900_000 + b'"}', {}, 422, "the input: not a table"),
        (b'{"text": ">a|ligand\\n' + b"A" * 4_900_000 + b'"}', {}, 422, "but no receptor"),
        (b'{"text": "\\u0000"}', {}, 422, "zero byte"),
        (b'{"text": "a", "text": ' + b"[" * 50_000, {}, 400, "not nested deeply"),
        (b"{}", {"Content-Type": "multipart/form-data"}, 415, "send application/json"),
        (b"{}", {"Content-Length": "-1"}, 422, "give either"),
        (b"{}", {"Host": "evil.example"}, 421, "does not answer for the host 'evil.example'"),
        (b"{}", {"Host": "localhost.evil.example:80"}, 421, "does not answer for the host"),
    ],
)
def test_hostile_requests_are_refused(
    client: TestClient, content: bytes, headers: dict[str, str], status: int, sentence: str
) -> None:
    sent = {"Content-Type": "application/json", **headers}
    answer = client.post("/api/v1/predict", content=content, headers=sent)
    assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text[:500]
    assert len(answer.text) < 1000
    assert "Traceback" not in answer.text


def test_a_body_without_a_length_is_counted(client: TestClient) -> None:
    parts = iter([b'{"text": "'] + [b"A" * 1_000_000] * 8)
    answer = client.post("/api/v1/predict", content=parts, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_addresses_of_this_machine_are_hosts(client: TestClient) -> None:
    for host in ("127.0.0.1:8000", "[::1]:8000", "LOCALHOST"):
        assert client.get("/healthz", headers={"Host": host}).json() == {"status": "ok"}


def test_what_is_not_there(client: TestClient) -> None:
    for path in ("/api/v1/jobs/none", "/api/v1/jobs/none/events", "/static/../app.py", "/docs"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert list(answer.json()) == ["error"]
    assert "forgets old jobs" in client.delete("/api/v1/jobs/none").json()["error"]
    for method, path, allowed in (
        ("PUT", "/api/v1/predict", "POST"),
        ("PUT", "/api/v1/jobs/1", "DELETE, GET"),
        ("POST", "/healthz", "GET"),
        ("POST", "/", "GET"),
    ):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)


def test_an_error_of_ours_shows_no_traceback(
    predictor: ppi.Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "predict", lambda *_, **__: 1 / 0)
    with client_of(predictor) as client:
        answer = client.post("/api/v1/predict", json={"complexes": [SMALL]})
        assert (answer.status_code, answer.json()) == (500, {"error": "the server failed; its log says more"})
        assert client.get("/healthz").status_code == 200


def test_a_token_is_required(predictor: ppi.Predictor) -> None:
    with client_of(predictor, token="secret") as client:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic secret"}):
            answer = client.get("/api/v1/model", headers=headers)
            assert answer.status_code == 401
            assert "Authorization: Bearer" in answer.json()["error"]
        assert client.get("/metrics").status_code == 401
        good = {"Authorization": "Bearer secret"}
        assert client.get("/api/v1/model", headers=good).text == "what the model is\n"
        assert client.get("/healthz").status_code == client.get("/").status_code == 200


def test_the_page_has_no_script_of_its_own(client: TestClient) -> None:
    answer = client.get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers
    assert (
        re.findall(r"<script(?! type=\"module\" src=\"/static/)|<style|\son\w+=| style=", answer.text) == []
    )
    # Nothing comes from elsewhere, and all that the page names is there.
    names = re.findall(r'(?:src|href)="([^"#]+)"', answer.text)
    assert all(client.get(name).status_code == 200 for name in names)
    assert "//" not in answer.text


def test_examples_are_those_of_the_repository(client: TestClient) -> None:
    folder = REPOSITORY / "ppi" / "serve" / "static" / "examples"
    for copy in folder.iterdir():
        (original,) = (REPOSITORY / "examples").rglob(copy.name)
        assert client.get(f"/static/examples/{copy.name}").text == original.read_text()


def test_a_scan_is_a_job(client: TestClient, predictor: ppi.Predictor) -> None:
    body = {
        "text": FASTA.replace("barnase_barstar", "<b>x</b>"),
        "sites": ["ligand:1:57-58"],
        "alanine": True,
    }
    job = finished(client, client.post("/api/v1/scan", json=body))
    assert job["state"] == "done", job
    expected = predictor.scan("examples/barnase_barstar.fasta", sites="ligand:1:57-58", alanine=True).table
    table = client.get(f"{JOB}{job['id']}/table.csv")
    assert table.text.replace("<b>x</b>", "barnase_barstar") == format_csv(expected)
    assert len(job["result"]["rows"]) == len(expected)
    page = client.get(f"{JOB}{job['id']}/page.html")
    assert "&lt;b&gt;x&lt;/b&gt;" in page.text
    assert "<b>x" not in page.text
    assert "sandbox" in page.headers["Content-Security-Policy"]
    events = client.get(f"{JOB}{job['id']}/events")
    assert events.headers["Content-Type"].startswith("text/event-stream")
    assert json.loads(events.text.removeprefix("data: "))["state"] == "done"
    assert client.delete(JOB + job["id"]).json()["state"] == "done"
    assert client.get(JOB + job["id"]).status_code == 404


def test_a_scan_of_a_site_that_is_not_there_fails(client: TestClient) -> None:
    answer = client.post("/api/v1/scan", json={"text": FASTA, "sites": ["ligand:9"]})
    job = finished(client, answer)
    assert job["state"] == "failed"
    assert "ligand:9" in job["error"]
    assert client.get(f"{JOB}{job['id']}/table.csv").status_code == 409
    assert client.post("/api/v1/scan", json={"text": "nothing"}).status_code == 422


def test_a_screen_is_a_job(client: TestClient, predictor: ppi.Predictor) -> None:
    ligands, receptors = {"x": SMALL["ligand"], "y": [SMALL["receptor"]]}, {"z": "KVFGRCELAAAMKRHGLDNY"}
    text = "id,sequence\nz,KVFGRCELAAAMKRHGLDNY\n"
    answer = client.post("/api/v1/screen", json={"ligands": {"sides": ligands}, "receptors": {"text": text}})
    job = finished(client, answer)
    expected = predictor.screen(ligands, receptors)
    assert client.get(f"{JOB}{job['id']}/table.csv").text == format_csv(expected)
    assert client.get(f"{JOB}{job['id']}/page.html").status_code == 404
    many = {"sides": {str(number): "ACDEF" for number in range(400)}}
    answer = client.post("/api/v1/screen", json={"ligands": many, "receptors": many})
    assert (answer.status_code, "160,000 pairs" in answer.text) == (413, True)


def test_an_explanation_is_a_job(client: TestClient) -> None:
    job = finished(client, client.post("/api/v1/explain", json={"complexes": [SMALL], "orders": 2}))
    assert job["state"] == "done", job
    assert len(job["result"]["rows"]) == len(SMALL["ligand"]) + len(SMALL["receptor"])
    assert "<img" in client.get(f"{JOB}{job['id']}/page.html").text


def test_metrics_count_requests_and_residues(predictor: ppi.Predictor) -> None:
    with client_of(predictor) as client:
        client.post("/api/v1/predict", json={"complexes": [SMALL]})
        for number in range(3):
            client.get(f"/nothing/{number}")
        text = client.get("/metrics").text
    assert 'ppi_requests_total{method="POST",route="/api/v1/predict",status="200"} 1' in text
    assert 'ppi_requests_total{method="any",route="other",status="404"} 3' in text
    assert "\nppi_residues_total 50\n" in text
    assert '\nppi_jobs{state="done"} 0\n' in text


def test_openapi_describes_every_route(client: TestClient) -> None:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/predict", "/api/v1/scan", "/api/v1/jobs/{name}/events", "/metrics"} <= set(paths)
    body = paths["/api/v1/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["$ref"].endswith("PredictRequest")


def test_a_full_queue_of_predictions_says_so(
    predictor: ppi.Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    original = predictor.predict
    monkeypatch.setattr(
        predictor, "predict", lambda *given, **more: held.wait(10) and original(*given, **more)
    )
    batcher = Batcher(predictor, ServeSettings(waiting_requests=1))
    table, options = table_of([random_complex(np.random.default_rng(1), "a")]), Options(298.15, False)
    first = batcher.submit(table, options)
    while batcher.waiting:
        time.sleep(0.01)
    second = batcher.submit(table, options)
    with pytest.raises(RefusedError, match="1 requests are waiting"):
        batcher.submit(table, options)
    held.set()
    pd.testing.assert_frame_equal(first.result(10), second.result(10))
    batcher.close()


def test_concurrent_requests_get_their_own_answers(client: TestClient, predictor: ppi.Predictor) -> None:
    random = np.random.default_rng(3)
    requests = [
        [random_complex(random, f"{number} {each}") for each in range(int(random.integers(1, 4)))]
        for number in range(60)
    ]
    wrong = {17, 40}

    def ask(number: int) -> Any:
        records = [
            {"id": item.id, "ligand": list(item.ligand), "receptor": list(item.receptor)}
            for item in requests[number]
        ]
        if number in wrong:
            records[0]["ligand"] = "A" * 300_000 if number == 17 else "A1"
        return client.post("/api/v1/predict", json={"complexes": records})

    with ThreadPoolExecutor(60) as pool:
        answers = list(pool.map(ask, range(60)))
    serial = predictor.predict([item for request in requests for item in request]).set_index("id")
    for number, answer in enumerate(answers):
        if number in wrong:
            assert answer.status_code == 422, answer.text
            continue
        found = pd.DataFrame(answer.json()["predictions"])
        assert found["id"].tolist() == [item.id for item in requests[number]]
        expected = serial.loc[found["id"]]
        np.testing.assert_allclose(found["pkd"], expected["pkd"], rtol=0, atol=1e-5)
        np.testing.assert_allclose(found["pkd_lower"], expected["pkd_lower"], rtol=0, atol=1e-5)
        assert found["novelty"].tolist() == expected["novelty"].tolist()


def test_a_csv_answer_can_be_read_again(client: TestClient) -> None:
    answer = client.post("/api/v1/predict", json={"text": FASTA}, headers={"Accept": "text/csv"})
    assert "attachment" in answer.headers["Content-Disposition"]
    assert pd.read_csv(io.StringIO(answer.text))["id"].tolist() == ["barnase_barstar"]
