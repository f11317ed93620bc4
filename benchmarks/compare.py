"""Compare the result of a benchmark with a stored baseline.

    python benchmarks/attention.py --lengths 500 2000 --threads 1 --processor-time --output result.json
    python benchmarks/compare.py benchmarks/baselines/attention.json result.json

Prints each figure beside that of the baseline and exits with 1 if one is worse by more than the tolerance of
the baseline (a fraction of the stored figure), or missing from the result. The baselines hold ratios and
scores, which depend little on the machine; their `command` makes them again, at their `commit`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from ppi.io.json_files import read_json, write_json
from ppi.provenance import code_provenance

_ADVICE = "give a file that a benchmark wrote with --output"


@dataclass(frozen=True)
class Measure:
    """Figures of one kind.

    Attributes
    ----------
    better
        Whether ``lower`` or ``higher`` figures are better, or neither: then each change is ``worse``.
    tolerance
        Fraction of a stored figure by which another run may be worse.
    figures
        The figures by name.
    """

    better: Literal["lower", "higher", "neither"]
    tolerance: float
    figures: Mapping[str, float]


def write_result(path: Path, measures: Mapping[str, Measure]) -> None:
    """Write the figures of a benchmark, with its command and the commit, as JSON."""
    result: dict[str, Any] = {
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "commit": code_provenance()["git_commit"],
        "measures": {name: asdict(measure) for name, measure in measures.items()},
    }
    write_json(path, result)


def read_result(path: Path) -> dict[str, Measure]:
    """Read what `write_result` wrote."""
    return {name: Measure(**measure) for name, measure in read_json(path, _ADVICE)["measures"].items()}


def compare(
    baseline: Mapping[str, Measure], result: Mapping[str, Measure], tolerance: float | None = None
) -> pd.DataFrame:
    """Return a row for each figure of the baseline.

    Parameters
    ----------
    baseline, result
        Measures by name.
    tolerance
        Fraction that replaces the tolerances of the baseline.

    Returns
    -------
    pandas.DataFrame
        ``measure, figure, baseline, result``, ``change`` as a fraction of the baseline, and ``verdict``:
        ``same``, ``better`` or ``worse`` (both beyond the tolerance), or ``missing``.
    """
    rows = []
    for name, measure in baseline.items():
        limit = measure.tolerance if tolerance is None else tolerance
        found = result[name].figures if name in result else {}
        for figure, stored in measure.figures.items():
            value = found.get(figure)
            change = None if value is None else (value - stored) / max(abs(stored), 1e-9)
            verdict = "missing" if change is None else judged(change, measure.better, limit)
            rows.append((name, figure, stored, value, change, verdict))
    return pd.DataFrame(rows, columns=["measure", "figure", "baseline", "result", "change", "verdict"])


def judged(change: float, better: str, limit: float) -> str:
    """Name a change by its direction; NaN is worse."""
    gain = {"higher": change, "lower": -change, "neither": -abs(change)}[better]
    if gain > limit:
        return "better"
    return "same" if gain >= -limit else "worse"


def main() -> int:
    """Print the comparison and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("baseline", type=Path, help="stored figures, in benchmarks/baselines")
    parser.add_argument("result", type=Path, help="figures of another run")
    parser.add_argument("--tolerance", type=float, help="fraction, instead of those of the baseline")
    given = parser.parse_args()
    table = compare(read_result(given.baseline), read_result(given.result), given.tolerance)
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    failed = table[table["verdict"].isin(["worse", "missing"])]
    print(f"{len(failed)} of {len(table)} figures are worse than the tolerance allows, or missing")
    return int(not failed.empty)


if __name__ == "__main__":
    sys.exit(main())
