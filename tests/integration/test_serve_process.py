"""The server as a process: drawn requests, a kill in the middle of a job, a flood, clients that go away."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY

pytestmark = pytest.mark.slow
FASTA = (REPOSITORY / "examples" / "barnase_barstar.fasta").read_text()


@contextmanager
def served(folder: Path, *words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start a server on a free port; it is killed at the end."""
    command = [sys.executable, "-m", "ppi", "serve", "--port", "0", "--store", str(folder / "store"), *words]
    with (
        (folder / "log").open("a") as log,
        subprocess.Popen(command, stderr=subprocess.PIPE, stdout=log, text=True) as server,
    ):
        assert server.stderr is not None
        try:
            line = next(line for line in server.stderr if "http://" in line)
            yield re.findall(r"http://\S+", line)[0], server
        finally:
            server.kill()


def ask(address: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Return the status and the content of an answer."""
    request = urllib.request.Request(f"{address}{path}", headers={"Content-Type": "application/json"})
    if body is not None:
        request.data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with served(tmp_path_factory.mktemp("serve"), "--waiting-jobs", "10000") as found:
        yield found


def test_a_kill_in_the_middle_of_a_job(tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    with served(tmp_path, "--jobs", str(folder)) as (address, process):
        _, done = ask(address, "/api/v1/scan", {"text": FASTA, "sites": ["ligand:1:57"]})
        while ask(address, f"/api/v1/jobs/{done['id']}")[1]["state"] != "done":
            time.sleep(0.1)
        before = ask(address, f"/api/v1/jobs/{done['id']}")[1]
        _, running = ask(address, "/api/v1/explain", {"text": FASTA, "orders": 200})
        while ask(address, f"/api/v1/jobs/{running['id']}")[1]["state"] != "running":
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with served(tmp_path, "--jobs", str(folder)) as (address, _):
        after = ask(address, f"/api/v1/jobs/{done['id']}")[1]
        assert after["result"] == before["result"]
        found = ask(address, f"/api/v1/jobs/{running['id']}")[1]
        assert (found["state"], "start the job again" in found["error"]) == ("interrupted", True)
        assert ask(address, "/healthz")[0] == 200


def test_a_flood_of_large_bodies_leaves_memory_bounded(server: tuple[str, subprocess.Popen[str]]) -> None:
    address, process = server
    before = memory_peak(process.pid)
    body = json.dumps({"text": ">a|ligand\n" + "A" * 4_500_000}).encode()

    def send(_: int) -> int:
        try:
            return ask(address, "/api/v1/predict", body)[0]
        except OSError:  # the server closes the connection while the body is on its way
            return 429

    with ThreadPoolExecutor(150) as pool:
        statuses = set(pool.map(send, range(150)))
    assert statuses <= {422, 429}
    assert 422 in statuses
    assert memory_peak(process.pid) - before < 1_000_000_000
    assert ask(address, "/healthz")[0] == 200


def memory_peak(process: int) -> int:
    """Return the most bytes that a process has used, on Linux."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    if found is None:
        pytest.skip("the system does not say how much memory a process uses")
    return int(found[1]) * 1024


def test_clients_that_go_away_or_send_slowly_stop_nobody(server: tuple[str, subprocess.Popen[str]]) -> None:
    address, _ = server
    host, port = address.removeprefix("http://").split(":")
    body = json.dumps({"text": FASTA}).encode()
    head = (
        f"POST /api/v1/predict HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    slow = [socket.create_connection((host, int(port))) for _ in range(50)]
    for number, client in enumerate(slow):
        client.sendall((head + body)[: 20 + 7 * number])
    for _ in range(20):
        with socket.create_connection((host, int(port))) as client:
            client.sendall(head + body)
    status, answer = ask(address, "/api/v1/predict", {"text": FASTA})
    assert (status, answer["predictions"][0]["id"]) == (200, "barnase_barstar")
    for client in slow:
        client.close()


def test_a_client_that_leaves_does_not_stop_its_job(server: tuple[str, subprocess.Popen[str]]) -> None:
    address, _ = server
    _, job = ask(address, "/api/v1/scan", {"text": FASTA, "alanine": True})
    with urllib.request.urlopen(f"{address}/api/v1/jobs/{job['id']}/events", timeout=60) as events:
        events.read(10)
    for _ in range(600):
        state = ask(address, f"/api/v1/jobs/{job['id']}")[1]["state"]
        if state == "done":
            return
        time.sleep(0.1)
    raise AssertionError(f"the job is {state}")


@pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None,
    reason="schemathesis draws the requests: pip install schemathesis",
)
def test_drawn_requests_get_answers_that_are_described(server: tuple[str, subprocess.Popen[str]]) -> None:
    address, _ = server
    # What the description allows may still be no protein, and is then refused with status 422.
    options = ["--max-examples", "25", "--seed", "1", "--exclude-checks", "positive_data_acceptance"]
    command = [sys.executable, "-m", "schemathesis.cli", "run", *options, "--generation-database", "none"]
    found = subprocess.run(
        [*command, f"{address}/api/v1/openapi.json"],
        capture_output=True,
        text=True,
        timeout=500,
        env=os.environ | {"NO_COLOR": "1"},
    )
    assert found.returncode == 0, found.stdout[-5000:] + found.stderr[-2000:]
    assert ask(address, "/healthz")[0] == 200
