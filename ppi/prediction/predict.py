"""Predict the affinity of complexes."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from data_curation.errors import MMseqsError
from data_curation.leakage import nearest_identity
from ppi.complexes import Complex
from ppi.devices import choose_device
from ppi.errors import InputError, PpiWarning
from ppi.io.predictions import COLUMNS, STANDARD_TEMPERATURE, dg_from_pkd, kd_from_pkd
from ppi.io.tables import ComplexTable, read_complexes
from ppi.models.folder import DEFAULT_MODEL, TrainedModel, load_model
from ppi.prediction.engine import predict_members

#: In which proteins bind and are measured; what lies outside is in another unit.
_LOWEST_KELVIN, _HIGHEST_KELVIN = 200, 400
_KELVIN = f"{_LOWEST_KELVIN} to {_HIGHEST_KELVIN} kelvin were expected"


def predict(
    complexes: str | os.PathLike[str] | Sequence[Complex] | ComplexTable,
    *,
    model: str | os.PathLike[str] | TrainedModel = DEFAULT_MODEL,
    temperature_kelvin: float = STANDARD_TEMPERATURE,
    truncate: bool = False,
    device: str = "auto",
    store: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Predict pKd with its interval.

    Parameters
    ----------
    complexes
        FASTA, CSV, TSV or Parquet file, or complexes.
    model
        Model folder, loaded model, or ``default``, the model that ships in the package.
    temperature_kelvin
        For dG, where the table has no ``temperature_kelvin`` of its own.
    truncate
        Shorten complexes over the backbone's limit instead of refusing them.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.

    Returns
    -------
    DataFrame
        One row a complex, in input order: ``id``; ``pkd``; ``pkd_std``, the standard deviation between
        the members of the ensemble, and what heteroscedastic heads add to it (missing for one member that
        adds nothing); ``pkd_lower`` and ``pkd_upper``, the
        calibrated interval (`ppi.models.calibration`); ``kd_molar``; ``dg_kcal_mol``;
        ``nearest_train_identity``, the highest identity (0 to 1) of any of its chains to a training chain
        over 80 % of the shorter one, missing without MMseqs2: then the interval is as wide as for identity 0;
        ``truncated``; ``model``.

    Raises
    ------
    ppi.errors.PpiError
        If the input or the model is wrong.
    """
    if not _LOWEST_KELVIN <= temperature_kelvin <= _HIGHEST_KELVIN:
        raise InputError(f"the temperature is {temperature_kelvin}; {_KELVIN}")
    table = _as_table(complexes)
    _say_notes(table.complexes)
    place = choose_device(device)
    trained = model if isinstance(model, TrainedModel) else load_model(model)
    predicted = predict_members(trained.model, table.complexes, truncate=truncate, device=place, store=store)
    pkd = pd.Series(predicted.mean)
    identity = _novelty(table.complexes, trained.training_chains)
    half_width = trained.calibration.half_width(predicted.spread, np.array(identity))
    result = pd.DataFrame(
        {
            "id": [item.id for item in table.complexes],
            "pkd": pkd,
            "pkd_std": predicted.spread,
            "pkd_lower": pkd - half_width,
            "pkd_upper": pkd + half_width,
            "kd_molar": kd_from_pkd(pkd),
            "dg_kcal_mol": dg_from_pkd(pkd, _temperatures(table, temperature_kelvin)),
            "nearest_train_identity": identity,
            "truncated": predicted.truncated,
            "model": trained.name,
        }
    )
    return result[list(COLUMNS)]


def _as_table(complexes: str | os.PathLike[str] | Sequence[Complex] | ComplexTable) -> ComplexTable:
    if isinstance(complexes, (str, os.PathLike)):
        table = read_complexes(complexes)
    elif isinstance(complexes, ComplexTable):
        table = complexes
    else:
        table = ComplexTable(list(complexes), pd.DataFrame(index=range(len(complexes))))
    if not len(table):
        raise InputError("there are no complexes to predict")
    return table


def _say_notes(complexes: Iterable[Complex]) -> None:
    notes = [note for item in complexes for note in item.notes]
    if notes:
        more = f" (and {len(notes) - 1} more chain(s))" if len(notes) > 1 else ""
        warnings.warn(f"{notes[0]}{more}", PpiWarning, stacklevel=3)


def _temperatures(table: ComplexTable, default: float) -> pd.Series | float:
    if "temperature_kelvin" not in table.columns:
        return default
    try:
        given = pd.to_numeric(table.columns["temperature_kelvin"])
    except (ValueError, TypeError) as error:
        raise InputError(f"temperature_kelvin: {error}") from error
    wrong = given.notna() & ~given.between(_LOWEST_KELVIN, _HIGHEST_KELVIN)
    if wrong.any():
        name = table.complexes[int(wrong.to_numpy().argmax())].id
        raise InputError(f"complex {name!r}: temperature_kelvin is {given[wrong].iloc[0]}; {_KELVIN}")
    return given.fillna(default).astype(float)


def _novelty(complexes: Iterable[Complex], training_chains: Sequence[str]) -> list[float]:
    chains = [item.chains for item in complexes]
    try:
        return nearest_identity(chains, training_chains)
    except MMseqsError as error:
        warnings.warn(f"nearest_train_identity is left empty: {error}", PpiWarning, stacklevel=3)
        return [float("nan")] * len(chains)
