"""The table of a plate: what is in each well, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ppi.complexes import CHAIN_SEPARATOR, Complex
from ppi.effects.mutations import mutations_between
from ppi.prediction.adapting.measurements import sign_of
from ppi.prediction.adapting.surrogate import Surrogate
from ppi.prediction.scanning.choice import Variant
from ppi.prediction.suggesting.acquisition import Acquisition
from ppi.prediction.suggesting.measured import Measured
from ppi.prediction.suggesting.plate import well_names
from ppi.prediction.suggesting.reasons import lead, news, short, with_interval

#: The columns of a plate, in order, and what each holds.
COLUMNS = {
    "well": "A1, B1, ...: column by column",
    "role": "suggested, or which control",
    "id": "name of the complex",
    "mutant": "what differs from the reference, joined by +; empty for the reference itself",
    "predicted": "predicted value, in the unit of what was measured",
    "predicted_lower": "lower end of the 90 % interval of what would be measured",
    "predicted_upper": "upper end of this interval",
    "acquisition": "what it was chosen for: the expected improvement that it adds to the measured variants "
    "and those above, its upper bound once those are known, or its value in its draw; of -ddG where ddG was "
    "measured; empty for controls",
    "reason": "the same in words",
    "ligand": "its chains, joined by :",
    "receptor": "the same of the receptor",
}


@dataclass(frozen=True)
class Chosen:
    """A variant for a well, what is predicted for it, and half of the 90 % interval of a measurement."""

    complex: Complex
    variant: Variant
    mean: float
    half_width: float


def plate_table(
    model: Surrogate,
    chosen: Sequence[Chosen],
    scores: np.ndarray,
    by: Acquisition,
    measured: Measured,
    plate: int,
    *,
    controls: bool,
) -> pd.DataFrame:
    """Return the table of a batch; its columns are `COLUMNS`.

    Parameters
    ----------
    model
        The adapted model.
    chosen, scores
        Variants in the order in which they were chosen, and what for.
    by
        Acquisition.
    measured
        What has been measured.
    plate
        Its number of wells.
    controls
        Whether the reference and the best measured variant come first.
    """
    sign = sign_of(model.column)
    best = short(sign * measured.best_value)
    rows = _controls(model, measured) if controls else []
    for place, (item, score) in enumerate(zip(chosen, scores, strict=True)):
        reason = (
            f"{lead(by, place, score)}: predicted {model.column} {with_interval(*_interval(item, sign))}, "
            f"best measured {best}; {news(item.variant, measured.variants)}"
        )
        rows.append(_row("suggested", item, sign, reason, float(score)))
    wells = well_names(plate)[: len(rows)]
    return pd.DataFrame(rows).assign(well=wells)[list(COLUMNS)]


def _controls(model: Surrogate, measured: Measured) -> list[dict[str, object]]:
    top = measured.best
    mean, std = model.predict([model.wild, top])
    half = model.half_width(std)
    variant = mutations_between(model.wild, top, skip_unknown=True)
    reference = Chosen(model.wild, (), float(mean[0]), float(half[0]))
    highest = Chosen(top, variant, float(mean[1]), float(half[1]))
    sign = sign_of(model.column)
    value = f"measured {model.column} {short(sign * measured.best_value)}"
    if not variant:
        return [_row("reference", reference, sign, f"control: the reference, the best measured: {value}")]
    return [
        _row("reference", reference, sign, "control: the reference"),
        _row("best measured", highest, sign, f"control: the best measured variant, {value}"),
    ]


def _row(role: str, item: Chosen, sign: int, reason: str, score: float = np.nan) -> dict[str, object]:
    predicted, lower, upper = _interval(item, sign)
    return {
        "role": role,
        "id": item.complex.id,
        "mutant": "+".join(map(str, item.variant)),
        "predicted": predicted,
        "predicted_lower": lower,
        "predicted_upper": upper,
        "acquisition": score,
        "reason": reason,
        "ligand": CHAIN_SEPARATOR.join(item.complex.ligand),
        "receptor": CHAIN_SEPARATOR.join(item.complex.receptor),
    }


def _interval(item: Chosen, sign: int) -> tuple[float, float, float]:
    predicted = sign * item.mean
    return predicted, predicted - item.half_width, predicted + item.half_width
