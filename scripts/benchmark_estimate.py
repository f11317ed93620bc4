"""Compare what `--estimate` predicts with the seconds that the work takes, each in a process of its own.

    python scripts/benchmark_estimate.py embed:ppi-mini scan:default screen:default

A case is a verb, and a backbone (`embed`) or a model (`scan`, `screen`). `embed` reads the chains of every
40th complex of the data set in the package, `scan` one complex, and `screen` some chains of the data set
against others. Nothing is in the store before. The load is that of the machine in the last minute.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

from ppi.datasets import open_dataset
from ppi.embedding.embed import embed_job
from ppi.embedding.estimate import estimate_embedding
from ppi.embedding.job import EmbeddingJob
from ppi.prediction.predictor import Predictor
from ppi.prediction.scanning.choice import Choice
from ppi.prediction.screening.run import Screen

_EVERY, _LONGEST = 40, 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("cases", nargs="+", metavar="VERB:MODEL")
    parser.add_argument("--complex", type=Path, default=Path("examples/hyhel10_lysozyme.fasta"))
    parser.add_argument("--sides", type=int, default=150, help="sides of each role of the screen")
    parser.add_argument("--only", choices=["estimate", "work"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        verb, _, model = given.cases[0].partition(":")
        with tempfile.TemporaryDirectory() as store:
            print(SECONDS[verb](model, store, given))
        return
    for case in given.cases:
        options = [case, "--complex", str(given.complex), "--sides", str(given.sides), "--only"]
        predicted, measured = (
            float(subprocess.check_output([sys.executable, __file__, *options, only]).split()[-1])
            for only in ("estimate", "work")
        )
        load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"
        print(f"{case}: {predicted:.1f} s predicted, {measured:.1f} s measured, ", end="")
        print(f"ratio {predicted / measured:.2f} ({load})", flush=True)


def embedding(backbone: str, store: str, given: argparse.Namespace) -> float:
    table = open_dataset("ppb-affinity")
    table = table.rows([row % _EVERY == 0 for row in range(len(table))])
    job = EmbeddingJob(data=table, backbone=backbone, store=store)
    if given.only == "estimate":
        return estimate_embedding(job).seconds
    started = time.perf_counter()
    embed_job(job)
    return time.perf_counter() - started


def scanning(model: str, store: str, given: argparse.Namespace) -> float:
    scan = Predictor(model, store=store).scanning(given.complex, Choice())
    if given.only == "estimate":
        return scan.estimate().seconds
    started = time.perf_counter()
    scan.run()
    return time.perf_counter() - started


def screening(model: str, store: str, given: argparse.Namespace) -> float:
    complexes = open_dataset("ppb-affinity").complexes
    chains = sorted({chain for item in complexes for chain in item.chains if len(chain) < _LONGEST})
    some = chains[:: len(chains) // (2 * given.sides)]
    ligands, receptors = (
        {f"{role}{number}": chain for number, chain in enumerate(some[first : 2 * given.sides : 2])}
        for first, role in enumerate(("ligand", "receptor"))
    )
    screen = Predictor(model, store=store).screening(ligands, receptors)
    if given.only == "estimate":
        return screen.estimate().seconds
    started = time.perf_counter()
    with patch.object(Screen, "_checked"):  # It estimates the screen, too.
        screen.frame()
    return time.perf_counter() - started


SECONDS = {"embed": embedding, "scan": scanning, "screen": screening}

if __name__ == "__main__":
    main()
