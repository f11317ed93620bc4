"""Predict the affinity of complexes in one call."""

from __future__ import annotations

import os

import pandas as pd

from ppi.io.inputs import Inputs
from ppi.io.predictions import STANDARD_TEMPERATURE
from ppi.models.folder import DEFAULT_MODEL, TrainedModel
from ppi.prediction.adapting.cautions import warn_of_cautions
from ppi.prediction.adapting.folder import is_adapted, load_adapted
from ppi.prediction.predictor import Predictor


def predict(
    complexes: Inputs,
    *,
    model: str | os.PathLike[str] | TrainedModel = DEFAULT_MODEL,
    temperature_kelvin: float = STANDARD_TEMPERATURE,
    truncate: bool = False,
    device: str = "auto",
    store: str | os.PathLike[str] | None = None,
    novelty: bool = True,
) -> pd.DataFrame:
    """Predict pKd with its interval; for more than one call, keep a `Predictor`.

    Parameters
    ----------
    complexes
        A file (FASTA, CSV, TSV, XLSX, Parquet), a folder of files, ``-`` for standard input, several of
        these, a DataFrame, one Complex or several, or records; see `ppi.io.inputs.read_inputs`.
    model, device, store, novelty
        See `ppi.prediction.predictor.Predictor`; the model may be the folder of an adapted model, too.
    temperature_kelvin, truncate
        See `ppi.prediction.predictor.Predictor.predict`.

    Returns
    -------
    DataFrame
        One row per complex, in input order; `ppi.io.predictions.COLUMNS` says what the columns are. An
        adapted model has columns of its own: `ppi.prediction.adapting.adapted.AdaptedComplex.table`.

    Raises
    ------
    ppi.errors.PpiError
        If the input or the model is wrong.

    Warns
    -----
    ppi.errors.PpiWarning
        Where the measurements of an adapted model hardly support a ranking.
    """
    if isinstance(model, (str, os.PathLike)) and is_adapted(model):
        adapted = load_adapted(model, device=device)
        warn_of_cautions(adapted.targets, adapted.validations)
        return adapted.predict(complexes)
    with Predictor(model, device=device, store=store, novelty=novelty) as predictor:
        return predictor.predict(complexes, temperature_kelvin=temperature_kelvin, truncate=truncate)
