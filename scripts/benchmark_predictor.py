"""How long a prediction takes: by `ppi.predict`, by a Predictor that is kept, and by the command line.

    python scripts/benchmark_predictor.py

Each figure is the median over mutants of barnase and barstar that were not predicted before, and the ratio to
`ppi.predict`, which loads the model anew in each call.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import ppi

_BARNASE = (
    "AQVINTFDGVADYLQTYHKLPDNYITKSEAQALGWVASKGNLADVAPGKSIGGDIFSNREGKLPGKSGRTWREADINYTSGFRNSDRILYSSDWLIYKTTD"
    "HYQTFTKIR"
)
_BARSTAR = "KKAVINGEQIRSISDLHQTLKKELALPEYYGENLDALWDCLTGWVEYPLVLEWRQFEQSKQLTENGAESVLQVFREAKAEGCDITIILS"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as store:
        plain, kept = (ppi.Predictor(store=store, novelty=novelty) for novelty in (False, True))
        for predictor in (plain, kept):
            predictor.predict(mutant(0))
        rows = {
            "ppi.predict": median(lambda n: ppi.predict(mutant(n), store=store), repeats),
            "Predictor, new complex": median(lambda n: kept.predict(mutant(100 + n)), repeats),
            "Predictor, new complex, no novelty": median(lambda n: plain.predict(mutant(200 + n)), repeats),
            "Predictor, seen complex": median(lambda n: kept.predict(mutant(0)), repeats),
            "Predictor, seen complex, no novelty": median(lambda n: plain.predict(mutant(0)), repeats),
            "ppi predict, a new process": median(lambda _: by_command(store), 3),
        }
    print("| what | milliseconds | ppi.predict takes so many times as long |\n| --- | --- | --- |")
    for name, seconds in rows.items():
        print(f"| {name} | {1000 * seconds:,.0f} | {rows['ppi.predict'] / seconds:.1f} |")


def mutant(number: int) -> ppi.Complex:
    """Return barnase and barstar with a residue of each exchanged."""
    place = number % len(_BARSTAR)
    ligand, receptor = (
        f"{chain[:place]}{'A' if chain[place] != 'A' else 'G'}{chain[place + 1 :]}"
        for chain in (_BARNASE, _BARSTAR)
    )
    return ppi.Complex(f"mutant {number}", (ligand,), (receptor,))


def median(work: Callable[[int], object], repeats: int) -> float:
    """Return the median seconds of some repeats."""
    seconds = []
    for number in range(1, repeats + 1):
        started = time.perf_counter()
        work(number)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def by_command(store: str) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".fasta") as file:
        file.write(f">a|ligand\n{_BARNASE}\n>a|receptor\n{_BARSTAR}\n")
        file.flush()
        command = [sys.executable, "-m", "ppi", "predict", file.name, "--store", store]
        subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main()
