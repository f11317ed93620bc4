"""Whether an attribution tells the truth: change its top residues in the sequence, and random ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ppi.complexes import AMINO_ACIDS, Complex

#: Part of the residues that is changed: those with the highest, and those with the lowest attribution.
_PART = 0.1
#: How often residues are changed, to other random amino acids each time.
_REPEATS = 24


@dataclass(frozen=True)
class Faithfulness:
    """How far the prediction moves if residues are changed in the sequence, from the backbone on.

    Attributes
    ----------
    residues
        How many are changed at a time, to random amino acids.
    highest, lowest
        Mean change of pKd if the residues with the highest attribution are changed, and those with the
        lowest.
    random
        Mean change of pKd for as many random residues on each side.
    effect
        `lowest` minus `highest`, less the same difference for two sets of random residues: positive for an
        attribution that is true.
    lower, upper
        95 % interval of `effect`.
    """

    residues: int
    highest: float
    lowest: float
    random: float
    effect: float
    lower: float
    upper: float

    @property
    def faithful(self) -> bool:
        """Whether the residues that are named move the prediction more than random ones do."""
        return self.lower > 0

    def __str__(self) -> str:
        verdict = (
            "So the attribution names residues that matter more to the model than others do."
            if self.faithful
            else "This is not beyond chance: do not read the attribution as the reason for the prediction."
        )
        return (
            f"Faithfulness: if the {self.residues} residues with the highest attribution are changed to "
            f"random amino acids, pKd changes by {self.highest:+.2f} on average; with the lowest, by "
            f"{self.lowest:+.2f}; with random ones, by {self.random:+.2f}. The difference between lowest and "
            f"highest, beyond that of random sets, is {self.effect:.2f} (95 % interval {self.lower:.2f} to "
            f"{self.upper:.2f}). {verdict}"
        )


def check_faithfulness(
    item: Complex,
    attribution: np.ndarray,
    composition: np.ndarray,
    predict: Callable[[Sequence[Complex]], np.ndarray],
    *,
    seed: int = 0,
) -> Faithfulness:
    """Compare what an attribution names with random residues.

    Parameters
    ----------
    item
        The complex, of two residues or more.
    attribution
        ``(L,)`` of its residues, ligand first.
    composition
        ``(20,)`` probabilities of the amino acids that residues are changed to.
    predict
        Gives the ``(N,)`` pKd of complexes, from the sequences on.
    seed
        Seed of what is drawn.
    """
    from scipy.stats import t

    generator = np.random.default_rng(seed)
    count = min(len(attribution) // 2, max(1, round(_PART * len(attribution))))
    order = np.argsort(attribution, kind="stable")
    highest, lowest = order[::-1][:count], order[:count]
    changed = [
        _changed(item, places, composition, generator)
        for _ in range(_REPEATS)
        for places in (highest, lowest, *_random_sets(item, highest, lowest, generator))
    ]
    predicted = predict([item, *changed])
    change = (predicted[1:] - predicted[0]).reshape(_REPEATS, 4)
    effects = (change[:, 1] - change[:, 0]) - (change[:, 3] - change[:, 2])
    half = float(t.ppf(0.975, _REPEATS - 1) * effects.std(ddof=1) / _REPEATS**0.5)
    means, effect = change.mean(axis=0), float(effects.mean())
    random = float(means[2:].mean())
    return Faithfulness(count, float(means[0]), float(means[1]), random, effect, effect - half, effect + half)


def _random_sets(
    item: Complex, first: np.ndarray, second: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw two sets of residues that share none, with as many on each side as the given ones."""
    ligand = sum(map(len, item.ligand))
    chosen: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for start, stop in ((0, ligand), (ligand, ligand + sum(map(len, item.receptor)))):
        drawn = start + generator.permutation(stop - start)
        counts = [int(((places >= start) & (places < stop)).sum()) for places in (first, second)]
        chosen[0].append(drawn[: counts[0]])
        chosen[1].append(drawn[counts[0] : sum(counts)])
    return np.concatenate(chosen[0]), np.concatenate(chosen[1])


def _changed(
    item: Complex, places: np.ndarray, composition: np.ndarray, generator: np.random.Generator
) -> Complex:
    """Return the complex with random residues at these places, counted from 0 through all chains."""
    letters = list("".join(item.chains))
    drawn = generator.choice(list(AMINO_ACIDS), size=len(places), p=composition)
    for place, letter in zip(places, drawn, strict=True):
        letters[place] = str(letter)
    rest = iter(letters)
    ligand, receptor = (
        tuple("".join(next(rest) for _ in chain) for chain in side) for side in (item.ligand, item.receptor)
    )
    return Complex(item.id, ligand, receptor)
