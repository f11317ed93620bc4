"""What an adapted model is and how well it ranks, in words: for the screen and for its card."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ppi.prediction.adapting.adapted import AdaptedComplex
from ppi.prediction.adapting.cautions import cautions
from ppi.prediction.adapting.measured_column import DDG, PKD
from ppi.prediction.adapting.measurements import sign_of
from ppi.prediction.adapting.model import AdaptedModel
from ppi.prediction.adapting.validation import HELD_OUT_POSITIONS, HELD_OUT_VARIANTS, Score, Validation

_UNITS = {PKD: "pKd", DDG: "kcal/mol"}


def summary_text(model: AdaptedModel) -> str:
    """Return what was learnt and how well it ranks, as plain text."""
    return "\n".join(line for name in model.targets for line in _target_lines(model, name)) + "\n"


def card_text(model: AdaptedModel) -> str:
    """Return the model card, in Markdown."""
    warned = "\n".join(
        f"- {f'Target {name}: ' if name else ''}{text}"
        for name, each in model.targets.items()
        for text in cautions(each, model.validations[name])
    )
    return f"""# A model of measured variants

Ranks variants of {_names(model)} by substitutions. A Gaussian process around predicted mutation effects
has seen the variants in `measured.csv`. It starts from the model of mutation effects `{model.base["name"]}`
of ppi, whose weights have the SHA-256 `{model.base["weights_sha256"]}`.

```
{summary_text(model)}```

Scores of variants left out use the scales that all variants gave, and are a little too good for few
variants. The base model has learnt from published mutation effects; for a complex among these its own
score is too good.
{f"{chr(10)}## Warnings{chr(10)}{chr(10)}{warned}{chr(10)}" if warned else ""}
## What it cannot do

It knows substitutions alone. At positions that no measured variant changes (column `new_positions`) it
follows the base model, which is often wrong. {_unit_note(model)}

    ppi predict pool.csv --model THIS_FOLDER --output ranked.csv
"""


def _unit_note(model: AdaptedModel) -> str:
    if any(each.column not in _UNITS for each in model.targets.values()):
        return "Only the ranks of a score have a meaning beyond these measurements."
    return "Intervals hold for measurements made as these were."


def _names(model: AdaptedModel) -> str:
    return ", ".join(f"`{each.wild.id}`" for each in model.targets.values())


def _target_lines(model: AdaptedModel, name: str) -> Iterator[str]:
    each, scores = model.targets[name], model.validations[name]
    observed = each.observed
    known = observed.replicates.sum()
    yield (
        f"{f'{name}: ' if name else ''}{len(observed.complexes)} variants of {each.wild.id} at "
        f"{scores.positions} position(s), learnt from {each.column}"
        f"{'' if each.column in _UNITS else ' (higher is taken as stronger)'}"
    )
    lower, higher = ((observed.side == side).sum() for side in (-1, 1))
    if lower or higher:
        words = ("binding weaker", "stronger") if each.column in _UNITS else ("lower", "higher")
        yield f"  Bounds instead of values: {words[0]} than given {lower}, {words[1]} {higher}"
    yield from _noise_lines(each, int(known))
    yield from _score_lines(scores, _UNITS.get(each.column, each.column))
    yield f"  {scores.coverage:.0%} of the variants left out lie inside their 90 % interval"
    if scores.curve:
        points = ", ".join(f"{size}: {value:.2f}" for size, value in scores.curve)
        yield f"  Spearman of the rest, by number of variants learnt from: {points}"
    best = int(np.argmax(np.where(observed.side == 0, observed.value, -np.inf)))
    value = sign_of(each.column) * observed.value[best]
    yield f"  Best measured: {observed.complexes[best].id}, {each.column} {value:.4g}"


def _noise_lines(each: AdaptedComplex, known: int) -> Iterator[str]:
    observed, unit = each.observed, _UNITS.get(each.column, each.column)
    if observed.freedom:
        repeated = int((observed.replicates > 1).sum())
        yield (
            f"  {repeated} variant(s) were measured more than once ({known} values in all): their means are "
            f"used, and their spread, {np.sqrt(observed.squares / observed.freedom):.2g} {unit}, "
            "tells of the noise"
        )
    yield f"  Noise of one measurement, learnt: {each.noise:.2g} {unit}"


def _score_lines(scores: Validation, unit: str) -> Iterator[str]:
    yield f"  {'':16}{'one variant left out':>24}{'positions held out':>24}"
    yield f"  {'':16}{'Spearman':>12}{'RMSE':>12}{'Spearman':>12}{'RMSE':>12}   ({unit})"
    held = {score.name: score for score in scores.held_out}
    for score in scores.left_out:
        yield f"  {score.name:16}{_cells(score)}{_cells(held.get(score.name))}"
    yield f"  -: {_why_dashes(scores)}"


def _why_dashes(scores: Validation) -> str:
    if scores.held_out:
        return "one-hot ridge knows nothing of a position that it has not seen"
    return (
        f"positions are held out where at least {HELD_OUT_POSITIONS} are changed "
        f"(here {scores.positions}), and {HELD_OUT_VARIANTS} variants or more beside the reference are scored"
    )


def _cells(score: Score | None) -> str:
    if score is None:
        return f"{'-':>12}{'-':>12}"
    return f"{score.spearman:12.2f}{score.rmse:12.2f}"
