"""Whether the attributions of a model are faithful, and whether they point at interfaces, on test complexes.

    python scripts/benchmark_explain.py
    python scripts/benchmark_explain.py model --complexes 40

One complex of each cluster, drawn at random, is explained as by `ppi explain`. It prints how many of the
attributions are faithful, the mean effect of the check, and the rank correlation of the attribution with the
predicted interface within a complex, each with its 95 % interval over complexes.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy.stats import spearmanr, t

from ppi.complexes import Complex
from ppi.datasets import open_dataset, split_dataset
from ppi.evaluation.bootstrap import groups_of
from ppi.explain.explain import ORDERS, explain
from ppi.prediction.predictor import Predictor


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", nargs="?", default="default", help="model folder")
    parser.add_argument("--complexes", type=int, default=20, help="how many (default: 20)")
    parser.add_argument("--longest", type=int, default=700, help="most residues of a complex (default: 700)")
    parser.add_argument("--orders", type=int, default=ORDERS, help=f"random orders (default: {ORDERS})")
    given = parser.parse_args()
    with Predictor(given.model, novelty=False) as predictor:
        found = explain(predictor, drawn(given.complexes, given.longest), orders=given.orders)
    faithful = [item.faithfulness.faithful for item in found]
    print(f"{len(found)} complexes, {np.mean([len(item.table) for item in found]):.0f} residues on average")
    print(f"faithful: {sum(faithful)} of {len(found)}")
    report("effect of the check, pKd", [item.faithfulness.effect for item in found])
    report("sum of the attributions, pKd", [float(item.attribution.values.sum()) for item in found])
    report(
        "Spearman of attribution and predicted interface",
        [float(spearmanr(item.table["attribution"], item.table["interface"])[0]) for item in found],
    )


def drawn(count: int, longest: int) -> list[Complex]:
    """Return test complexes, one of each cluster."""
    table = split_dataset(open_dataset("ppb-affinity"), None).part("test")
    clusters, chosen = groups_of(table).number, dict[int, Complex]()
    for place in np.random.default_rng(0).permutation(len(table)):
        item = table.complexes[place]
        if sum(map(len, item.chains)) <= longest:
            chosen.setdefault(int(clusters[place]), item)
    return list(chosen.values())[:count]


def report(name: str, values: list[float]) -> None:
    """Print a mean with its interval."""
    mean, error = np.mean(values), np.std(values, ddof=1) / len(values) ** 0.5
    half = t.ppf(0.975, len(values) - 1) * error
    print(f"{name}: {mean:.2f} ({mean - half:.2f} to {mean + half:.2f})")


if __name__ == "__main__":
    main()
