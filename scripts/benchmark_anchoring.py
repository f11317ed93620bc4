"""How well mutants are predicted from measured mutants of the same complex.

    python scripts/benchmark_anchoring.py

In each mutation series of the data set (complexes of one PDB entry with chains of the same lengths, eight or
more) a fifth of the mutants is left out, five times: at random, or all mutants of some positions. Beside the
prediction from the others stands their mean. The language model has no part in it: the level around which the
others are seen is the mean pKd of the data set.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from scipy.stats import spearmanr

from ppi.complexes import Complex
from ppi.datasets import open_dataset
from ppi.prediction.anchoring import Anchors
from ppi.prediction.neighbours import by_length

FOLDS = 5
#: A series has so many complexes, and its Spearman counts with so many predictions.
SMALLEST, RANKED = 8, 10


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="ppb-affinity", help="table with pKd and a column pdb")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    given = parser.parse_args()
    series = list(mutation_series(given.data))
    mean = float(np.mean([item.pkd for one in series for item in one]))
    print(f"{len(series)} series, {sum(map(len, series))} complexes\n")
    print("| left out | RMSE of the mean | RMSE | ratio | Spearman within series |")
    print("| --- | --- | --- | --- | --- |")
    for name, folds_of in (("random mutants", random_folds), ("all mutants of a position", position_folds)):
        errors, of_mean, ranks = list[float](), list[float](), list[float]()
        for number, one in enumerate(series):
            folds = folds_of(one, np.random.default_rng([given.seed, number]))
            measured, predicted, means = left_out(one, folds, mean)
            errors += list(predicted - measured)
            of_mean += list(means - measured)
            if len(measured) >= RANKED and np.ptp(measured) > 0 and np.ptp(predicted) > 0:
                ranks.append(float(spearmanr(predicted, measured).statistic))
        rmse, baseline = (float(np.sqrt(np.mean(np.square(values)))) for values in (errors, of_mean))
        print(f"| {name} | {baseline:.2f} | {rmse:.2f} | {rmse / baseline:.2f} | {np.mean(ranks):.2f} |")


def mutation_series(data: str) -> Iterator[list[Complex]]:
    """Yield the complexes of each series."""
    table = open_dataset(data)
    censored = table.columns["censored"].fillna("") if "censored" in table.columns else [""] * len(table)
    groups = defaultdict[tuple[object, ...], list[Complex]](list)
    for item, pdb, mark in zip(table.complexes, table.columns["pdb"], censored, strict=True):
        if item.pkd is not None and not mark:
            lengths = tuple(tuple(sorted(map(len, side))) for side in (item.ligand, item.receptor))
            groups[pdb, lengths].append(item)
    yield from (group for group in groups.values() if len(group) >= SMALLEST)


def random_folds(series: list[Complex], random: np.random.Generator) -> np.ndarray:
    """Return the ``(N,)`` folds of complexes that are dealt at random."""
    return random.permutation(len(series)) % FOLDS


def position_folds(series: list[Complex], random: np.random.Generator) -> np.ndarray:
    """Return the ``(N,)`` folds by the first position that differs from the most frequent residue."""
    rows = np.stack([residues(item) for item in series])
    usual = np.array([np.bincount(column).argmax() for column in rows.T])
    differs = np.column_stack([rows != usual, np.ones(len(rows), dtype=bool)])
    positions, place = np.unique(differs.argmax(axis=1), return_inverse=True)
    return (random.permutation(len(positions)) % FOLDS)[place]


def residues(item: Complex) -> np.ndarray:
    """Return the ``(L,)`` residues of a complex, the chains of each side in order of length."""
    chains = (*by_length(item.ligand), *by_length(item.receptor))
    return np.frombuffer("".join(chains).encode("ascii"), dtype=np.uint8)


def left_out(
    series: list[Complex], folds: np.ndarray, mean: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what was measured, predicted from the other folds, and their mean, where all three are known."""
    rows = []
    for fold in range(FOLDS):
        known = [item for item, own in zip(series, folds, strict=True) if own != fold]
        if not known:
            continue
        anchors, known_mean = Anchors(known), float(np.mean([item.pkd for item in known]))
        for item in (item for item, own in zip(series, folds, strict=True) if own == fold):
            found = anchors.predict(item, mean)
            if found is not None:
                rows.append((item.pkd, found.pkd, known_mean))
    measured, predicted, means = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    return measured, predicted, means


if __name__ == "__main__":
    main()
