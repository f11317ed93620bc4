"""How long a screen takes, where the time goes, and how much longer the same pairs take one by one.

    python scripts/benchmark_screen.py --ligands 1000 --receptors 1000

The sides are distinct chains of the data set in the package, drawn at random. Nothing is in memory or in the
store when the screen starts. The other way, `Predictor.predict` for one pair at a time by a predictor of its
own, is measured on a sample in the same run. Seconds of a stage are summed over threads.

    python scripts/benchmark_screen.py --engine ray

compares the engines with 1 and 2 workers instead, on a cluster that is there or one of this machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np

import ppi
from ppi.datasets import open_dataset
from ppi.embedding.cache import EmbeddingCache
from ppi.engines.base import Resources
from ppi.engines.build import EngineName, build_engine
from ppi.io.sides import Side
from ppi.models.affinity import AffinityModel
from ppi.prediction.novelty import NoveltyIndex
from ppi.prediction.screening import run
from ppi.prediction.screening.anchored import AnchoredPairs
from ppi.prediction.screening.familiarity import Familiarity
from ppi.prediction.screening.scoring import JoiningScorer, pair_of
from ppi.prediction.screening.work import WorkFolder

#: What each stage is, and where its time is spent.
STAGES: dict[str, list[tuple[Any, str]]] = {
    "embedding": [(EmbeddingCache, "units")],
    "pooling": [(AffinityModel, "project_sides")],
    "novelty of sides": [(NoveltyIndex, "_hits"), (NoveltyIndex, "_of_side")],
    "read-out": [(JoiningScorer, "score")],
    "novelty of pairs": [(Familiarity, "nearest")],
    "anchors": [(AnchoredPairs, "predict")],
    "writing": [(run, "write_part"), (WorkFolder, "finish")],
}
_LOCK = threading.Lock()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ligands", type=int, default=1000)
    parser.add_argument("--receptors", type=int, default=1000)
    parser.add_argument("--sample", type=int, default=40, help="pairs that are also predicted one by one")
    parser.add_argument("--suffix", default=".parquet")
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--top-k", type=int, help="pairs that the comparison of engines keeps of each target")
    given = parser.parse_args()
    ligands, receptors = sides(given.ligands, given.receptors)
    if given.engine == "ray":
        compare_engines(ligands, receptors, given.suffix, ppi.ScreenSettings(top_k=given.top_k))
        return
    residues = sum(side.residues for side in ligands + receptors) / len(ligands + receptors)
    with tempfile.TemporaryDirectory() as folder:
        seconds = timed(STAGES)
        started = time.perf_counter()
        with ppi.Predictor(store=Path(folder) / "store") as predictor:
            screening = predictor.screening(ligands, receptors)
            cost = screening.estimate(given.suffix)
            estimated = time.perf_counter()
            done = screening.write(Path(folder) / f"out{given.suffix}", resume=False)
            total, processor = time.perf_counter() - started, time.process_time()
        size = Path(done.output).stat().st_size
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        pair = one_by_one(ligands, receptors, given.sample, Path(folder) / "other")
    print(
        f"{len(ligands)} x {len(receptors)} sides of {residues:.0f} residues on average: {done.pairs:,} pairs"
    )
    print(f"{total:.1f} s from loading the model to the file, {peak:.2f} GiB of memory at most")
    print(f"{processor:.1f} s of processor time with the imports: what other programs take does not count")
    print(f"estimated in {estimated - started:.1f} s: {cost.describe()}")
    times = pair * done.pairs / total
    print(f"{size / done.rows:.0f} bytes a row")
    print(f"one by one: {1000 * pair:.0f} ms a pair, {times:,.0f} x as long for all pairs")
    print("| stage | seconds of all threads | share |\n| --- | --- | --- |")
    for stage, spent in seconds.items():
        print(f"| {stage} | {spent:.1f} | {spent / sum(seconds.values()):.0%} |")


def compare_engines(
    ligands: list[Side], receptors: list[Side], suffix: str, settings: ppi.ScreenSettings
) -> None:
    """Print how long the same screen takes with each engine and number of workers."""
    first: dict[int, float] = {}
    one, results = 0.0, set[bytes]()
    print(f"{len(ligands):,} x {len(receptors):,} sides, load {os.getloadavg()[0]:.1f}")
    print("| engine | workers | seconds | to local | to one worker | processor seconds of this process |")
    print("| --- | --- | --- | --- | --- | --- |")
    for engine, workers in product(get_args(EngineName), (1, 2)):
        with (
            tempfile.TemporaryDirectory() as folder,
            ppi.Predictor(store=Path(folder) / "store") as predictor,
        ):
            started, processor = time.perf_counter(), time.process_time()
            screening = predictor.screening(
                ligands, receptors, settings=settings, workers=workers, engine=engine
            )
            done = screening.write(Path(folder) / f"out{suffix}")
            total, processor = time.perf_counter() - started, time.process_time() - processor
            results.add(Path(done.output).read_bytes())
        local = first.setdefault(workers, total)
        one = total if workers == 1 else one
        ratios = f"{total / local:.2f} | {total / one:.2f}"
        print(f"| {engine} | {workers} | {total:.1f} | {ratios} | {processor:.1f} |", flush=True)
    print(f"the bytes of the output are {'the same' if len(results) == 1 else 'DIFFERENT'}")
    resources = Resources(workers=2)
    started = time.perf_counter()
    with (remote := build_engine("ray")).opened(resources):
        connected = time.perf_counter()
        list(remote.map(_nothing, range(2), resources))
        print(
            f"to connect: {connected - started:.1f} s; two workers: {time.perf_counter() - connected:.1f} s"
        )
    print(f"load {os.getloadavg()[0]:.1f}")


def _nothing() -> Callable[[int], int]:
    return lambda number: number


def sides(ligands: int, receptors: int) -> tuple[list[Side], list[Side]]:
    """Return distinct chains of the data set."""
    chains = sorted({chain for item in open_dataset("ppb-affinity").complexes for chain in item.chains})
    drawn = np.random.default_rng(0).permutation(len(chains))[: ligands + receptors]
    all_sides = [Side(f"chain{number}", (chains[number],)) for number in drawn]
    return all_sides[:ligands], all_sides[ligands:]


def one_by_one(ligands: list[Side], receptors: list[Side], sample: int, store: Path) -> float:
    """Return the median seconds of a pair by itself."""
    random = np.random.default_rng(1)
    with ppi.Predictor(store=store) as predictor:
        predictor.predict(pair_of(ligands[0], receptors[0]))
        spent = []
        for _ in range(sample):
            item = pair_of(random.choice(ligands), random.choice(receptors))  # type: ignore[arg-type]
            started = time.perf_counter()
            predictor.predict(item)
            spent.append(time.perf_counter() - started)
    return float(np.median(spent))


def timed(stages: dict[str, list[tuple[Any, str]]]) -> dict[str, float]:
    """Wrap functions, so that their seconds are added up in what is returned."""
    seconds = defaultdict[str, float](float, dict.fromkeys(stages, 0.0))
    for stage, functions in stages.items():
        for owner, name in functions:
            setattr(owner, name, _wrapped(getattr(owner, name), stage, seconds))
    return seconds


def _wrapped(function: Callable[..., Any], stage: str, seconds: dict[str, float]) -> Callable[..., Any]:
    @wraps(function)
    def run_timed(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            with _LOCK:
                seconds[stage] += time.perf_counter() - started

    return run_timed


if __name__ == "__main__":
    main()
