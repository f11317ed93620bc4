"""What the process that writes a screen spends on a pair, apart from the workers that compute it.

    python scripts/benchmark_collecting.py

Made-up columns of one block of two targets are received as pickles, ranked where a task was a part of a
block, and written. Times are processor time, the least of five.
"""

from __future__ import annotations

import pickle
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ppi.io.predictions import kd_from_pkd
from ppi.prediction.screening.output import COLUMNS, join_parts, write_part
from ppi.prediction.screening.pieces import PairColumns, joined, ranked
from ppi.prediction.screening.scoring import JoiningScorer
from ppi.prediction.screening.settings import ScreenSettings
from ppi.prediction.screening.targets import BLOCK_PAIRS

_TARGETS = [slice(0, BLOCK_PAIRS // 2), slice(BLOCK_PAIRS // 2, BLOCK_PAIRS)]


def main() -> None:
    random = np.random.default_rng(0)
    size = JoiningScorer.at_once
    parts = [pickle.dumps(columns(random, size), protocol=5) for _ in range(BLOCK_PAIRS // size)]
    receiving, pairs = seconds(lambda: joined([pickle.loads(part) for part in parts]))
    ranking, everything = seconds(lambda: ranked(pairs, _TARGETS, ScreenSettings()))
    best = ranked(pairs, _TARGETS, ScreenSettings(top_k=100))
    print("| task | rows | milliseconds of a block | microseconds of a pair |\n| --- | --- | --- | --- |")
    row("part of a block", "all", receiving + ranking + writing(everything))
    for name, kept in (("all", everything), ("100 of a target", best)):
        reading, _ = seconds(partial(pickle.loads, pickle.dumps(kept, protocol=5)))
        row("block", name, reading + writing(kept))


def columns(random: np.random.Generator, count: int) -> PairColumns:
    """Return columns as a worker makes them, for pairs that resemble nothing."""
    number, zero = random.random(count), np.zeros(count, dtype=np.int64)
    pkd = random.normal(8, 1, count)
    text = {name: np.array([value], dtype=object)[zero] for name, value in TEXTS.items()}
    identities = dict.fromkeys(
        ("ligand_identity", "receptor_identity", "pair_identity", "nearest_pkd"), number
    )
    own = {"pkd_std": number, "pkd_lower": pkd - 1 - number, "pkd_upper": pkd + 1 + number}
    ligands = np.array([f"chain{place}" for place in range(count)], dtype=object)
    counts = {"anchors": zero, "truncated": zero > 0, "partner_score": number}
    return {"pkd": pkd, "ligand": ligands, **text, **identities, **own, **counts}


TEXTS = {"receptor": "target", "novelty": "new", "nearest_complex": None, "warnings": ""}


def writing(kept: PairColumns) -> float:
    """Return the seconds to make the table of a block, and to write and join it."""
    with tempfile.TemporaryDirectory() as folder:
        part, output = Path(folder) / "part.parquet", Path(folder) / "output.parquet"
        making, frame = seconds(lambda: table(kept))
        return (
            making
            + seconds(lambda: write_part(frame, part))[0]
            + seconds(lambda: join_parts([part], output))[0]
        )


def table(kept: PairColumns) -> pd.DataFrame:
    frame = pd.DataFrame(kept)
    return frame.assign(kd_molar=kd_from_pkd(frame["pkd"]), model="model")[list(COLUMNS)]


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the least processor time of five runs, and the result."""
    spent, result = [], None
    for _ in range(5):
        started = time.process_time()
        result = work()
        spent.append(time.process_time() - started)
    return min(spent), result


def row(task: str, rows: str, spent: float) -> None:
    print(f"| {task} | {rows} | {1000 * spent:.1f} | {1e6 * spent / BLOCK_PAIRS:.2f} |")


if __name__ == "__main__":
    main()
