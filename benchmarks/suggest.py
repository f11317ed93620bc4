"""How many rounds of measurements find one of the best variants of a series, beside random choice.

    python benchmarks/suggest.py interfaces.parquet effects.csv.gz structures.tar.xz --work FOLDER
    python benchmarks/suggest.py ... --by thompson --with-reference

In each mutation series of the data set in the package with 40 members or more, 8 variants are drawn at
random and taken as measured. Batches of 8 follow, until one of the best 1 % of the series, the best one at
least, has been measured: chosen by a model that is adapted to what was measured so far, or at random. Both
start from the same 8 variants; rounds are counted after these. The predicted effects that the model starts
from are those of trees that have not seen the PDB entry (`--scheme complex`), or any similar chain (`--scheme
cluster`); FOLDER keeps them, and is that of `benchmarks/adapt.py`. In many series the wild type itself is
among the best: with `--with-reference` it is one of the first 8 and not looked for.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from adapt_series import Series, load_series
from compare import Measure, write_result

from ppi.prediction.adapting.adapted import AdaptedComplex
from ppi.prediction.adapting.observed import Observed
from ppi.prediction.suggesting.acquisition import Acquisition, check_acquisition
from ppi.prediction.suggesting.batch import choose_batch

BATCH = 8
#: Part of a series that is good enough.
BEST = 0.01

#: Chooses the next members by their numbers: of those measured, those left, and the seed.
Choose = Callable[[list[int], list[int], int], list[int]]


def main() -> None:
    """Print a table in Markdown, and write every run to the work folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("interfaces", type=Path, help="table of interfaces (Parquet)")
    parser.add_argument("effects", type=Path, help="benchmark of mutation effects (CSV)")
    parser.add_argument("structures", type=Path, help="archive of the structures of the benchmark")
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps what is predicted")
    parser.add_argument("--scheme", choices=("complex", "cluster"), default="complex")
    parser.add_argument("--by", action="append", help="acquisition (default: expected-improvement)")
    parser.add_argument("--seeds", type=int, default=20, help="runs of each series (default: 20)")
    parser.add_argument("--with-reference", action="store_true", help="the wild type is measured first")
    parser.add_argument("--output", type=Path, help="write mean rounds as JSON, for compare.py")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    names = [check_acquisition(name) for name in given.by or ["expected-improvement"]]
    series = load_series(given.interfaces, given.effects, given.structures, given.work, given.scheme)
    found = []
    for one in series:
        first = reference_of(one) if given.with_reference else None
        wanted = good_enough(one.pkd, first)
        chooses = {"random": at_random} | {name: by_model(one, name) for name in names}
        for seed in range(given.seeds):
            start = first_members(len(one.pkd), first, seed)
            counts = {
                name: rounds(len(one.pkd), start, wanted, choose, seed) for name, choose in chooses.items()
            }
            found.append({"series": one.name, "members": len(one.pkd), "seed": seed} | counts)
        logging.info("%s: %d members", one.name, len(one.pkd))
    table = pd.DataFrame(found)
    ending = "_with_reference" if given.with_reference else ""
    table.to_csv(given.work / f"rounds_{given.scheme}{ending}.csv", index=False)
    report(table)
    if given.output is not None:
        write_result(given.output, measures(table))


def reference_of(one: Series) -> int | None:
    """Return the number of the reference among the members; None if it was not measured."""
    own = one.wild.ligand, one.wild.receptor
    return next((n for n, item in enumerate(one.complexes) if (item.ligand, item.receptor) == own), None)


def good_enough(pkd: np.ndarray, without: int | None = None) -> set[int]:
    """Return the members that are among the best; those with the value of the last of them count, too.

    Parameters
    ----------
    pkd
        ``(N,)`` of the members.
    without
        A member that is not looked for.
    """
    looked_for = np.array([number for number in range(len(pkd)) if number != without])
    last = np.sort(pkd[looked_for])[-max(1, int(BEST * len(looked_for)))]
    return set(looked_for[pkd[looked_for] >= last].tolist())


def first_members(members: int, first: int | None, seed: int) -> list[int]:
    """Return the members that are measured to begin with."""
    drawn = np.random.default_rng(seed).permutation(members).tolist()
    if first is None:
        return drawn[:BATCH]
    return [first, *(number for number in drawn if number != first)][:BATCH]


def rounds(members: int, start: list[int], wanted: set[int], choose: Choose, seed: int) -> int:
    """Return the rounds until a wanted member has been measured."""
    known, count = list(start), 0
    while wanted.isdisjoint(known):
        left = [number for number in range(members) if number not in set(known)]
        known += choose(known, left, 1000 * seed + count)
        count += 1
    return count


def at_random(known: list[int], left: list[int], seed: int) -> list[int]:
    """Choose members without looking."""
    return np.random.default_rng(seed).permutation(left)[:BATCH].tolist()


def by_model(one: Series, by: Acquisition) -> Choose:
    """Choose members by a model that is adapted in each round."""

    def choose(known: list[int], left: list[int], seed: int) -> list[int]:
        model = adapted(one, known)
        candidates, measured = ([one.complexes[number] for number in part] for part in (left, known))
        mean, _ = model.predict(candidates)
        size = min(BATCH, len(left))
        batch = choose_batch(model, candidates, mean, measured=measured, by=by, size=size, seed=seed)
        return [left[number] for number in batch.numbers]

    return choose


def adapted(one: Series, known: list[int]) -> AdaptedComplex:
    """Return the model of the members that have been measured."""
    count = len(known)
    measured = tuple(one.complexes[number] for number in known)
    sides, replicates = np.zeros(count, dtype=int), np.ones(count, dtype=int)
    observed = Observed(measured, one.pkd[known], sides, replicates, 0.0, 0, "pkd", 1.0)
    return AdaptedComplex(one.wild, observed, one)


def mean_rounds(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean rounds of each series by name of the choice."""
    return table.groupby(["series", "members"], sort=False)[[*table.columns[3:]]].mean()


def measures(table: pd.DataFrame) -> dict[str, Measure]:
    """Return the mean rounds over series, and the median of the ratio to random choice."""
    means = mean_rounds(table)
    ratios = means.div(means["random"], axis=0).median().drop("random")
    found = {"mean rounds": means.mean(), "rounds, median of the ratio to random": ratios}
    return {
        what: Measure("lower", 0.1, {str(name): round(float(value), 4) for name, value in row.items()})
        for what, row in found.items()
    }


def report(table: pd.DataFrame) -> None:
    """Print the mean rounds of each series, and their medians."""
    means = mean_rounds(table)
    names = means.columns
    print(f"| series | members | {' | '.join(names)} |\n| --- | --- |{' --- |' * len(names)}")
    for label, row in means.iterrows():
        series, members = cast("tuple[str, int]", label)
        print(f"| {series} | {members} | {' | '.join(f'{value:.2f}' for value in row)} |")
    for what, row in (("median", means.median()), ("mean", means.mean())):
        print(f"| **{what}** | | {' | '.join(f'{value:.2f}' for value in row)} |")
    ratios = means.div(means["random"], axis=0).median()
    print(f"| median of the ratio to random | | {' | '.join(f'{value:.2f}' for value in ratios)} |")


if __name__ == "__main__":
    main()
