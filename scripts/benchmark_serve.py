"""How long a server takes: to start, for one prediction, and for many at the same time.

    python scripts/benchmark_serve.py

It starts `ppi serve` on a free port with a new store, and sends complexes of random residues.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=200)
    count = parser.parse_args().requests
    with tempfile.TemporaryDirectory() as store:
        started = time.perf_counter()
        command = [sys.executable, "-m", "ppi", "serve", "--port", "0", "--store", store]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
            try:
                address = _address(server)
                ask(address, bodies(1, seed=1)[0])
                taken = time.perf_counter() - started
                used = processor_seconds(server.pid)
                print(f"start to first answer: {taken:.1f} s, processor time {used:.1f} s")
                measure(address, count, server.pid)
            finally:
                server.terminate()


def measure(address: str, count: int, process: int) -> None:
    """Print the figures of a server that is warm, and the load of the machine meanwhile."""
    alone = [seconds_of(address, [body], threads=1) for body in bodies(20, seed=2)]
    print(f"one prediction, median of 20: {1000 * statistics.median(alone):.0f} ms")
    compare(address, process, "new", (bodies(count, seed=3), bodies(count, seed=4)))
    compare(address, process, "known", (bodies(count, seed=3), bodies(count, seed=4)))
    print(f"load of the machine in the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def compare(address: str, process: int, what: str, requests: tuple[list[bytes], list[bytes]]) -> None:
    """Print how long as many requests take one after the other and at the same time."""
    begun = processor_seconds(process)
    one_by_one = seconds_of(address, requests[0], threads=1)
    between = processor_seconds(process)
    together = seconds_of(address, requests[1], threads=len(requests[1]))
    ended = processor_seconds(process)
    print(f"{len(requests[0])} predictions of complexes that are {what} to the server:")
    print(f"  one after the other {one_by_one:.1f} s, at the same time {together:.1f} s,", end=" ")
    print(f"ratio {together / one_by_one:.2f}")
    print(f"  processor time of the server {between - begun:.1f} s and {ended - between:.1f} s", end=", ")
    print(f"ratio {(ended - between) / (between - begun):.2f}")


def processor_seconds(process: int) -> float:
    """Return the processor time that a process has used, on Linux."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bodies(count: int, seed: int) -> list[bytes]:
    """Return requests, each with a complex of 30 to 300 residues that was not asked before."""
    draw = random.Random(seed)

    def chain() -> str:
        return "".join(draw.choices(_LETTERS, k=draw.randint(15, 150)))

    records = [{"id": str(number), "ligand": chain(), "receptor": chain()} for number in range(count)]
    return [json.dumps({"complexes": [record]}).encode() for record in records]


def seconds_of(address: str, requests: list[bytes], threads: int) -> float:
    """Return how long requests take with so many clients."""
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(lambda body: ask(address, body), requests))
    taken = time.perf_counter() - started
    for body, answer in zip(requests, answers, strict=True):
        assert answer["predictions"][0]["id"] == json.loads(body)["complexes"][0]["id"]
    return taken


def ask(address: str, body: bytes) -> dict:
    """Return the answer to a request."""
    request = urllib.request.Request(f"{address}/api/v1/predict", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.loads(answer.read())


def _address(server: subprocess.Popen[str]) -> str:
    assert server.stderr is not None
    for line in server.stderr:
        found = re.search(r"http://\S+", line)
        if found:
            return found[0]
    raise SystemExit("the server does not start")


if __name__ == "__main__":
    main()
