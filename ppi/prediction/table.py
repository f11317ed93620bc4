"""The table of predictions, put together from what the model, novelty and measured neighbours say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data_curation.records import HIGHEST_KELVIN, LOWEST_KELVIN
from ppi.complexes import Complex
from ppi.errors import InputError
from ppi.io.predictions import COLUMNS, dg_from_pkd, kd_from_pkd
from ppi.io.tables import ComplexTable
from ppi.prediction.coverage import uncovered
from ppi.prediction.engine import MemberPredictions
from ppi.prediction.novelty import NearestComplex
from ppi.prediction.oddities import oddities_of

#: What a message says of temperatures that are allowed.
KELVIN = f"give {LOWEST_KELVIN} to {HIGHEST_KELVIN} kelvin"


def prediction_table(
    complexes: Sequence[Complex],
    predicted: MemberPredictions,
    nearest: pd.DataFrame,
    anchored: pd.DataFrame,
    half_width: np.ndarray,
    temperatures: pd.Series | float,
    model: str,
) -> pd.DataFrame:
    """Return one row a complex; `ppi.io.predictions.COLUMNS` says what the columns are.

    Parameters
    ----------
    complexes
        ``N`` complexes.
    predicted
        Predictions of the model alone.
    nearest
        Rows of `nearest_columns`.
    anchored
        ``pkd, std, half_width, neighbours`` of predictions that start from measured neighbours; NaN, and 0
        neighbours, for the others.
    half_width
        ``(N,)`` half widths of the intervals of the model alone, in pKd units.
    temperatures
        Kelvin, for dG.
    model
        Name of the model.
    """
    pkd = anchored["pkd"].fillna(pd.Series(predicted.mean))
    width = anchored["half_width"].fillna(pd.Series(half_width))
    odd = [
        "; ".join(filter(None, [*oddities_of(item), gaps, "shortened" * cut]))
        for item, gaps, cut in zip(complexes, nearest["uncovered"], predicted.truncated, strict=True)
    ]
    result = pd.DataFrame(
        {
            "id": [item.id for item in complexes],
            "pkd": pkd,
            "pkd_std": anchored["std"].fillna(pd.Series(predicted.spread)),
            "pkd_lower": pkd - width,
            "pkd_upper": pkd + width,
            "kd_molar": kd_from_pkd(pkd),
            "dg_kcal_mol": dg_from_pkd(pkd, temperatures),
            "partner_score": predicted.partner,
            **nearest,
            "anchors": anchored["neighbours"],
            "warnings": odd,
            "truncated": predicted.truncated,
            "model": model,
        }
    )
    return result[list(COLUMNS)]


def nearest_columns(item: Complex, found: NearestComplex | None) -> dict[str, object]:
    """Return the columns that say how new a complex is; empty values where that is not known.

    Beside them, `uncovered` has what `ppi.prediction.coverage.uncovered` returns, for the warnings.
    """
    return {
        "novelty": None if found is None else found.novelty,
        "ligand_identity": np.nan if found is None else found.ligand_identity,
        "receptor_identity": np.nan if found is None else found.receptor_identity,
        "pair_identity": np.nan if found is None else found.pair_identity,
        "nearest_complex": None if found is None else found.id,
        "nearest_pkd": np.nan if found is None or found.pkd is None else found.pkd,
        "uncovered": "" if found is None else uncovered(item, found.complex, found.pair_identity),
    }


def temperatures_of(table: ComplexTable, default: float) -> pd.Series | float:
    """Return the temperatures of a table in kelvin, or the default where it has none.

    Raises
    ------
    InputError
        If one is no number or out of range.
    """
    if "temperature_kelvin" not in table.columns:
        return default
    try:
        given = pd.to_numeric(table.columns["temperature_kelvin"])
    except (ValueError, TypeError) as error:
        raise InputError(f"temperature_kelvin: {error}; {KELVIN}") from error
    wrong = given.notna() & ~given.between(LOWEST_KELVIN, HIGHEST_KELVIN)
    if wrong.any():
        name = table.complexes[int(wrong.to_numpy().argmax())].id
        raise InputError(f"complex {name!r}: temperature_kelvin is {given[wrong].iloc[0]}; {KELVIN}")
    return given.fillna(default).astype(float)
