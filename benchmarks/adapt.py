"""Learning curves of `ppi adapt` on the mutation series of the data set in the package.

    python benchmarks/adapt.py interfaces.parquet effects.csv.gz structures.tar.xz --work FOLDER
    python benchmarks/adapt.py ... --scheme cluster --seeds 5

Of each series n variants are drawn at random and the rest is ranked (`random`), or 40 % of the changed
positions are held out, n of the variants that change none of them are drawn, and those that do are ranked
(`positions`). The predicted effects that the model starts from are those of trees that have not seen the PDB
entry (`--scheme complex`), or any similar chain (`--scheme cluster`); FOLDER keeps them. Beside the adapted
model stand ridge regression and a Gaussian process on which residue is where, ridge regression on mean
embeddings, and the predicted effects alone.

Kernel and priors were chosen on the series of `DEVELOPMENT`.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from adapt_series import Series, load_series
from compare import Measure, write_result
from scipy.stats import spearmanr
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.linear_model import RidgeCV

from ppi.prediction.adapting.adapted import AdaptedComplex
from ppi.prediction.adapting.observed import Observed
from ppi.prediction.adapting.one_hot import PENALTIES, one_hot
from ppi.prediction.adapting.variants import Variants

SIZES = (8, 24, 48, 96, 192)
#: Series on which kernel and priors were chosen.
DEVELOPMENT = (
    *("1JTG", "2G2U", "1AO7", "1OGA", "1DAN", "1KBH", "2B2X", "1MHP"),
    *("1EMV", "2WPT", "1GC1", "3NGB", "1C4Z", "1KNE", "1A4Y"),
)
#: Series of so many variants count for the bars; fewest variants of the rest that are ranked.
LARGE, RANKED = 60, 12
_HELD = 0.4

_Predict = Callable[[np.ndarray], np.ndarray]
_Fit = Callable[[np.ndarray, np.ndarray], _Predict]


def main() -> None:
    """Print tables in Markdown, and write every row to the work folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("interfaces", type=Path, help="table of interfaces (Parquet)")
    parser.add_argument("effects", type=Path, help="benchmark of mutation effects (CSV)")
    parser.add_argument("structures", type=Path, help="archive of the structures of the benchmark")
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps what is predicted")
    parser.add_argument("--scheme", choices=("complex", "cluster"), default="complex")
    parser.add_argument("--seeds", type=int, default=20, help="draws of each size (default: 20)")
    parser.add_argument("--output", type=Path, help="write mean scores as JSON, for compare.py")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    warnings.simplefilter("ignore", ConvergenceWarning)
    series = load_series(given.interfaces, given.effects, given.structures, given.work, given.scheme)
    found = []
    for one in series:
        found += list(_rows(one, given.seeds))
        logging.info("%s: %d variants", one.name, len(one.pkd))
    table = pd.DataFrame(found)
    table.to_csv(given.work / f"rows_{given.scheme}.csv", index=False)
    _report(table)
    if given.output is not None:
        write_result(given.output, measures(table))


def _rows(one: Series, seeds: int) -> Iterator[dict]:
    """Yield the scores of each draw and predictor."""
    every = Variants.of(one.wild, one.complexes, one)
    for held in ("random", "positions"):
        for size in SIZES:
            for seed in range(seeds):
                random = np.random.default_rng([seed, size])
                drawn = _draw(every, size, random, positions=held == "positions")
                if drawn is not None:
                    labels = {
                        "series": one.name,
                        "variants": len(every),
                        "held": held,
                        "n": size,
                        "seed": seed,
                    }
                    yield from (labels | scores for scores in _scores(one, every, *drawn))


def _draw(
    every: Variants, size: int, random: np.random.Generator, *, positions: bool
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return rows to learn from and rows to rank; None if there are too few."""
    if not positions:
        order = random.permutation(len(every))
        learnt, rest = order[:size], order[size:]
    else:
        changed = np.unique(every.singles.position)
        held = random.permutation(changed)[: round(_HELD * len(changed))]
        touched = every.members @ np.isin(every.singles.position, held).astype(float) > 0
        learnt = random.permutation(np.flatnonzero(~touched))[:size]
        rest = np.flatnonzero(touched)
    return (learnt, rest) if len(learnt) == size and len(rest) >= RANKED else None


def _scores(one: Series, every: Variants, learnt: np.ndarray, rest: np.ndarray) -> Iterator[dict]:
    truth = one.pkd[rest]
    if np.ptp(one.pkd[learnt]) == 0:
        return
    observed = Observed(
        tuple(one.complexes[row] for row in learnt),
        one.pkd[learnt],
        np.zeros(len(learnt), dtype=int),
        np.ones(len(learnt), dtype=int),
        0.0,
        0,
        "pkd",
        1.0,
    )
    adapted = AdaptedComplex(one.wild, observed, one).table([one.complexes[row] for row in rest])
    inside = (adapted["pkd_lower"] <= truth) & (truth <= adapted["pkd_upper"])
    width = (adapted["pkd_upper"] - adapted["pkd_lower"]).mean()
    yield _score("adapted", truth, adapted["pkd"].to_numpy()) | {"inside": inside.mean(), "width": width}
    residues = one_hot(every)
    fits: dict[str, _Fit] = {"one-hot ridge": _ridge, "one-hot Gaussian process": _process}
    for name, fit in fits.items():
        yield _score(name, truth, fit(residues[learnt], one.pkd[learnt])(residues[rest]))
    centred = one.pooled - one.pooled[learnt].mean(axis=0)
    scaled = centred / (centred[learnt].std(axis=0) + 1e-6)
    yield _score("embeddings, ridge", truth, _ridge(scaled[learnt], one.pkd[learnt])(scaled[rest]))
    yield _score("predicted effects alone", truth, every.effect[rest])


def _ridge(features: np.ndarray, values: np.ndarray) -> _Predict:
    return RidgeCV(PENALTIES).fit(features, values).predict


def _process(features: np.ndarray, values: np.ndarray) -> _Predict:
    kernel = ConstantKernel(1.0, (1e-2, 1e2)) * RBF(2.0, (0.3, 30)) + WhiteKernel(0.3, (1e-2, 3))
    return GaussianProcessRegressor(kernel, normalize_y=True).fit(features, values).predict


def _score(name: str, truth: np.ndarray, predicted: np.ndarray) -> dict:
    constant = np.ptp(predicted) < 1e-9 or np.ptp(truth) == 0
    rho = 0.0 if constant else float(spearmanr(predicted, truth).statistic)
    return {"predictor": name, "spearman": rho, "rmse": float(np.sqrt(np.mean((predicted - truth) ** 2)))}


def _report(table: pd.DataFrame) -> None:
    """Print mean scores over series of 60 or more, of 40 or more, and of each series."""
    for held in ("random", "positions"):
        for smallest in (LARGE, 0):
            part = table[(table["held"] == held) & (table["variants"] >= smallest)]
            if part.empty:
                continue
            _print_means(part, f"{held}, series of {max(smallest, 40)} or more")
    chosen = table[(table["held"] == "random") & (table["variants"] >= LARGE)]
    own = chosen["series"].isin(DEVELOPMENT)
    _print_means(chosen[own], "random, 60 or more, series of development")
    _print_means(chosen[~own], "random, 60 or more, other series")
    _print_series(table[table["held"] == "random"])


def measures(table: pd.DataFrame) -> dict[str, Measure]:
    """Return means over the series of 60 or more variants: scores of the predictors, and the interval."""
    keys, scores = ["held", "n", "predictor"], ["spearman", "inside", "width"]
    by_series = table[table["variants"] >= LARGE].groupby([*keys, "series"], sort=False)[scores].mean()
    means = by_series.groupby(keys, sort=False).mean().reset_index()
    names = means["predictor"] + ", " + means["held"] + ", n = " + means["n"].astype(str)
    figures = {
        score: {
            name: round(float(value), 4)
            for name, value in zip(names, means[score], strict=True)
            if not np.isnan(value)
        }
        for score in scores
    }
    return {
        "Spearman": Measure("higher", 0.05, figures["spearman"]),
        "inside the 90 % interval": Measure("neither", 0.05, figures["inside"]),
        "width of the interval": Measure("lower", 0.05, figures["width"]),
    }


def _print_means(part: pd.DataFrame, title: str) -> None:
    means = part.groupby(["n", "predictor", "series"], sort=False)[["spearman", "inside", "width"]].mean()
    by_size = means.groupby(["n", "predictor"], sort=False).mean()
    sizes = sorted(part["n"].unique())
    count = [part[part["n"] == size]["series"].nunique() for size in sizes]
    columns = " | ".join(f"n = {size} ({number})" for size, number in zip(sizes, count, strict=True))
    print(f"\n{title}: mean Spearman (number of series)\n\n| predictor | {columns} |")
    print("| --- |" + " --- |" * len(sizes))
    for name in part["predictor"].unique():
        cells = " | ".join(f"{by_size.loc[(size, name), 'spearman']:.3f}" for size in sizes)
        print(f"| {name} | {cells} |")
    for column, what in (("inside", "inside the 90 % interval"), ("width", "width of the interval")):
        cells = " | ".join(f"{by_size.loc[(size, 'adapted'), column]:.3f}" for size in sizes)
        print(f"| {what} | {cells} |")


def _print_series(part: pd.DataFrame) -> None:
    """Print the adapted model beside one-hot ridge in each series, and the 95 % interval of the gain."""
    wide = part.pivot_table(index=["series", "n", "seed"], columns="predictor", values="spearman")
    difference = wide["adapted"] - wide["one-hot ridge"]
    print("\n| series | " + " | ".join(f"n = {size}" for size in SIZES) + " |")
    print("| --- |" + " --- |" * len(SIZES))
    for name in part["series"].unique():
        cells = []
        for size in SIZES:
            if (name, size) not in wide.index.droplevel("seed"):
                cells.append("")
                continue
            own, gain = wide.loc[(name, size)], difference.loc[(name, size)]
            half = 1.96 * gain.std() / np.sqrt(len(gain))
            cells.append(
                f"{own['adapted'].mean():.2f}, {own['one-hot ridge'].mean():.2f} "
                f"({gain.mean():+.2f} +- {half:.2f})"
            )
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
