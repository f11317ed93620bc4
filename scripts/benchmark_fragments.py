"""How predictions of antibodies change if their constant domains are cut off.

    python scripts/benchmark_fragments.py

Complexes with constant domains are drawn from the training data of the model in the package and predicted as
they are, and with each chain cut where its constant domains begin.
"""

from __future__ import annotations

import argparse

import numpy as np

from ppi.complexes import Complex
from ppi.prediction.antibodies import outside_constant_domains
from ppi.prediction.predictor import Predictor


def main() -> None:
    """Print how many start from measured complexes, and how far predictions differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--complexes", type=int, default=80, help="how many are drawn")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    given = parser.parse_args()
    with Predictor() as predictor:
        known = predictor.trained.training_complexes
        antibodies = [item for item in known if cut(item).chains != item.chains]
        drawn = np.random.default_rng(given.seed).choice(len(antibodies), given.complexes, replace=False)
        complete = [antibodies[number] for number in drawn]
        before, after = predictor.predict(complete), predictor.predict(list(map(cut, complete)))
    anchored = [int((table["anchors"] > 0).sum()) for table in (before, after)]
    change = (before["pkd"] - after["pkd"]).abs().mean()
    print(f"{given.complexes} of {len(antibodies):,} complexes with constant domains")
    print(f"start from measured complexes: {anchored[0]} as they are, {anchored[1]} cut")
    print(f"mean absolute change of pKd: {change:.2f}")


def cut(item: Complex) -> Complex:
    """Return a complex whose chains end where their constant domains begin."""
    ligand, receptor = (tuple(map(_cut_chain, side)) for side in (item.ligand, item.receptor))
    return Complex(item.id, ligand, receptor)


def _cut_chain(chain: str) -> str:
    constant = np.flatnonzero(~outside_constant_domains(chain))
    return chain[: constant[0]] if len(constant) else chain


if __name__ == "__main__":
    main()
