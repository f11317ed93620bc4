"""Time and peak memory of each attention, as ratios to softmax attention in the same run.

    python benchmarks/attention.py --threads 2
    python benchmarks/attention.py --names linear power --train
    python benchmarks/attention.py --device cuda --precision bfloat16
    python benchmarks/attention.py --device cuda --precision bfloat16 --train --segments 64 --lengths 400

One segment of each length, or several of up to that length, of two chains on each side. Queries and keys of
a residue share a signal with those of its neighbourhood and of one distant region, as in a folded chain; the
cost of an attention that chooses its blocks by mass depends on that. Times are the best of the rounds, in
which all attentions take turns; on a busy machine, `--threads 1 --processor-time` counts the time of the
processor instead. Peak memory is what an attention holds above its inputs at its worst. A ratio below 1 is
faster, or smaller, than softmax.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable
from contextlib import nullcontext
from itertools import accumulate
from pathlib import Path
from typing import get_args

import pandas as pd
import torch
from compare import Measure, write_result
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from heads.kernels.dispatch import Backend, use_backend
from heads.mixers.attention.base import Attention
from heads.names import ATTENTIONS
from heads.options import make_part
from heads.ragged import Segments

BASELINE = "softmax"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--names", nargs="+", choices=list(ATTENTIONS), default=list(ATTENTIONS))
    parser.add_argument("--lengths", nargs="+", type=int, default=[500, 2000, 10000])
    parser.add_argument(
        "--segments",
        type=int,
        default=1,
        help="number of segments; if more than one, their lengths are random",
    )
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--width", type=int, default=40, help="width of a head")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument(
        "--backend", choices=get_args(Backend), help="backend of the kernels; by default that of the device"
    )
    parser.add_argument("--train", action="store_true", help="forward and backward")
    parser.add_argument("--processor-time", action="store_true", help="not the time that passes")
    parser.add_argument("--output", type=Path, help="write the ratios as JSON, for compare.py")
    given = parser.parse_args()
    with use_backend(given.backend) if given.backend else nullcontext():
        table = measured(given)
    report(table)
    if given.output is not None:
        write_result(given.output, measures(table))


def measured(given: argparse.Namespace) -> pd.DataFrame:
    """Return the best time and the peak memory of each attention and length."""
    clock = time.process_time if given.processor_time else time.perf_counter
    torch.set_num_threads(given.threads)
    found = []
    for length in given.lengths:
        lengths = lengths_of(given.segments, length)
        segments = Segments.from_lengths(lengths, given.device, [quarters(each) for each in lengths])
        parts = [
            part.to(given.device, getattr(torch, given.precision)).requires_grad_(given.train)
            for part in chain(sum(lengths), given.heads, given.width)
        ]
        runs = {name: run_of(name, parts, segments) for name in dict.fromkeys([BASELINE, *given.names])}
        memory = {name: peak(run, parts[0].device.type) for name, run in runs.items()}
        taken: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(given.rounds):
            for name, run in runs.items():
                taken[name].append(seconds(run, parts[0].device.type, clock))
        found += [
            {"attention": name, "n": length, "ms": min(taken[name]) * 1e3, "MiB": memory[name] / 2**20}
            for name in runs
        ]
    return pd.DataFrame(found)


def lengths_of(segments: int, longest: int) -> list[int]:
    """Return one length, or several that are drawn evenly from a twentieth of the longest on."""
    if segments == 1:
        return [longest]
    generator = torch.Generator().manual_seed(0)
    return torch.randint(max(4, longest // 20), longest + 1, (segments,), generator=generator).tolist()


def quarters(length: int) -> tuple[tuple[int, int], ...]:
    """Return two chains on each side, each with about a quarter of the rows."""
    return tuple((part // 2, (part + 1) * length // 4 - part * length // 4) for part in range(4))


def chain(length: int, heads: int, width: int) -> list[Tensor]:
    """Return queries, keys and values in which neighbours, and the two halves of the chain, resemble."""
    generator = torch.Generator().manual_seed(0)
    regions = torch.randn(-(-length // 50), heads, width, generator=generator).repeat_interleave(50, 0)
    signal = regions[:length] + regions[:length].roll(length // 2, 0)
    return [
        signal * share + torch.randn(length, heads, width, generator=generator) for share in (1.0, 1.0, 0.0)
    ]


def run_of(name: str, parts: list[Tensor], segments: Segments) -> Callable[[], None]:
    """Return a function that computes an attention once, with gradients if the parts want them."""
    torch.manual_seed(0)
    (_, heads, width), training = parts[0].shape, parts[0].requires_grad
    attention: Attention = make_part(ATTENTIONS, name, heads, width).to(parts[0].device).train(training)

    def run() -> None:
        with torch.set_grad_enabled(training):
            mixed = attention(*parts, segments)
            if training:
                mixed.sum().backward()

    return run


def seconds(run: Callable[[], None], device: str, clock: Callable[[], float]) -> float:
    """Return the seconds that one run takes."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = clock()
    run()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def peak(run: Callable[[], None], device: str) -> int:
    """Return the bytes that a run holds at its worst above what was held before."""
    gc.collect()
    if device == "cuda":
        run()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        run()
    events = recorded.profiler.kineto_results.events()
    changes = [(event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]"]
    return max(accumulate(size for _, size in sorted(changes)), default=0)


def report(found: pd.DataFrame) -> None:
    """Print milliseconds and mebibytes, and the ratios to softmax."""
    for what, unit in (("time", "ms"), ("memory", "MiB")):
        table = by_length(found, unit)
        print(f"\n{what}: {unit}, and ratios to {BASELINE}")
        print(table.join(table / table.loc[BASELINE], rsuffix=" ratio").round(3).to_string())


def by_length(found: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Return a row for each attention, in the order of the run, and a column for each length."""
    return found.pivot(index="attention", columns="n", values=unit).loc[found.attention.unique()]


def measures(found: pd.DataFrame) -> dict[str, Measure]:
    """Return the ratios to softmax, which depend less on the machine than the figures themselves."""
    result = {}
    for what, unit, tolerance in (("time", "ms", 0.5), ("memory", "MiB", 0.1)):
        table = by_length(found, unit)
        ratios = (table / table.loc[BASELINE]).drop(index=BASELINE)
        figures = {
            f"{name}, n = {n}": round(float(value), 4)
            for n in ratios.columns
            for name, value in ratios[n].items()
        }
        result[f"{what}, ratio to {BASELINE}"] = Measure("lower", tolerance, figures)
    return result


if __name__ == "__main__":
    main()
