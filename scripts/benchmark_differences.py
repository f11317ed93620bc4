"""How well ddG is predicted from measured mutants of the same complex, and how often its interval holds.

    python scripts/benchmark_differences.py
    python scripts/benchmark_differences.py --effects

In each mutation series of the data set (see `benchmark_anchoring.py`) the complex with the fewest differences
from the others is taken as the wild type, and up to ten mutants are left out, one by one. With `--effects`
the expected effects are those of the model in the package, which has learnt from most of these mutants;
without, each substitution is expected to lower pKd a little.
"""

from __future__ import annotations

import argparse

import numpy as np
from benchmark_anchoring import mutation_series

from ppi.complexes import Complex
from ppi.effects.model import EffectModel
from ppi.effects.mutations import mutations_between
from ppi.errors import InputError
from ppi.io.predictions import KCAL_PER_PKD
from ppi.models.folder import load_model
from ppi.prediction.anchoring import Anchors
from ppi.prediction.predicted_effects import PredictedEffects

#: Mutants of a series that are left out, those that choose its wild type, and most mutations of one.
SCORED, COMPARED, MOST = 10, 40, 8
#: pKd around which the others are seen.
LEVEL = 7.2


def main() -> None:
    """Print the errors in kcal/mol, and the coverage and width of the interval."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="ppb-affinity", help="table with pKd and a column pdb")
    parser.add_argument("--effects", action="store_true", help="with predicted effects")
    given = parser.parse_args()
    model = EffectModel.load(device="cpu", on_disk=False) if given.effects else None
    effects = None if model is None else PredictedEffects(model)
    quantile = load_model().calibration.anchored_quantile or np.nan
    rows = [
        (number, *row)
        for number, series in enumerate(mutation_series(given.data))
        for row in left_out(series, effects, np.random.default_rng(number))
    ]
    series, measured, predicted, spread = np.array(rows).T
    _, group, size = np.unique(series, return_inverse=True, return_counts=True)
    inside = np.abs(predicted - measured) <= quantile * spread
    print(f"{len(size)} series, {len(rows)} mutants")
    rmse, of_none = (np.sqrt(np.mean(errors**2)) for errors in (predicted - measured, measured))
    print(f"RMSE {rmse:.2f}, of no effect {of_none:.2f}")
    alike = np.average(inside, weights=1 / size[group])
    print(
        f"inside the interval: {inside.mean():.1%}, series counted alike "
        f"{alike:.1%}; median half width {np.median(quantile * spread):.2f}"
    )


def left_out(
    series: list[Complex], effects: PredictedEffects | None, random: np.random.Generator
) -> list[tuple[float, float, float]]:
    """Return measured and predicted ddG, and the standard deviation, of mutants, each left out in turn."""
    wild = medoid(series[:COMPARED])
    if wild is None:
        return []
    rows = []
    for number in random.permutation(len(series))[:SCORED]:
        mutant = series[number]
        mutations = differences(wild, mutant)
        if not mutations or len(mutations) > MOST:
            continue
        interface = None if effects is None else effects.interface
        anchors = Anchors([item for item in series if item is not mutant], effects, interface)
        found = anchors.differences(wild, [mutations], LEVEL)
        if (
            found is not None
            and np.isfinite(found.pkd[0])
            and mutant.pkd is not None
            and wild.pkd is not None
        ):
            rows.append((wild.pkd - mutant.pkd, -float(found.pkd[0]), float(found.std[0])))
    return [(KCAL_PER_PKD * truth, KCAL_PER_PKD * mean, KCAL_PER_PKD * std) for truth, mean, std in rows]


def medoid(series: list[Complex]) -> Complex | None:
    """Return the complex with the fewest differences from the others; None if they cannot be compared."""
    counts = []
    for item in series:
        found = [differences(item, other) for other in series]
        if any(each is None for each in found):
            return None
        counts.append(sum(len(each or ()) for each in found))
    return series[int(np.argmin(counts))]


def differences(wild: Complex, mutant: Complex) -> tuple | None:
    """Return the mutations between two complexes; None if they differ in length."""
    try:
        return mutations_between(wild, mutant, skip_unknown=True)
    except InputError:
        return None


if __name__ == "__main__":
    main()
