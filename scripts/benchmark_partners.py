"""Whether a model tells true partners from wrong ones, on one part of a split.

    python scripts/benchmark_partners.py
    python scripts/benchmark_partners.py model --part test --count 5

The ligand of each complex is put together with receptors of complexes of other clusters
(`ppi.evaluation.partners`): how often does the true pair score higher? 0.5 is chance.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from ppi.complexes import Complex
from ppi.datasets import open_dataset, split_dataset
from ppi.evaluation.baselines import entry_weights
from ppi.evaluation.bootstrap import groups_of
from ppi.evaluation.partners import draw_partners, partner_auroc, score_partners
from ppi.models.folder import load_model
from ppi.prediction.engine import predict_members


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", nargs="?", default="default", help="model folder")
    parser.add_argument("--data", default="ppb-affinity", help="table with pKd")
    parser.add_argument("--split", help="column of the split; by default as in ppi evaluate")
    parser.add_argument("--part", default="test")
    parser.add_argument("--count", type=int, default=20, help="wrong partners of each complex")
    given = parser.parse_args()
    model = load_model(given.model).model
    table = split_dataset(open_dataset(given.data), given.split).part(given.part)

    def score(complexes: Sequence[Complex]) -> dict[str, np.ndarray]:
        found = predict_members(model, complexes)
        return {"predicted pKd": found.mean, "partner_score": found.partner}

    drawn = draw_partners(table, count=given.count)
    true, wrong = score(table.complexes), score_partners(table.complexes, drawn, score)
    print(f"{len(table)} complexes, {given.count} wrong partners each\n")
    print("| score | AUROC |\n| --- | --- |")
    for name in true:
        if np.isfinite(true[name]).all():
            found = partner_auroc(true[name], wrong[name], entry_weights(table), groups_of(table).number)
            print(f"| {name} | {found.value:.2f} ({found.lower:.2f} to {found.upper:.2f}) |")


if __name__ == "__main__":
    main()
