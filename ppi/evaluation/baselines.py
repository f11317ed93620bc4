"""Baseline predictors from composition, length, mean embeddings or the nearest neighbour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.preprocessing import StandardScaler

from ppi.complexes import AMINO_ACIDS, Complex
from ppi.evaluation.neighbours import nearest_neighbour
from ppi.io.tables import ComplexTable

#: The baseline that ignores the complex.
TRAIN_MEAN = "train mean"
#: Baselines on sequences.
SEQUENCE_BASELINES = (
    TRAIN_MEAN,
    "total length",
    "ridge on composition",
    "extra trees on composition",
    "gradient boosting on composition",
    "nearest training complex",
)
#: Baselines on the mean embeddings of the model's backbone.
EMBEDDING_BASELINES = ("ridge on embeddings", "gradient boosting on embeddings")
BASELINES = SEQUENCE_BASELINES + EMBEDDING_BASELINES

# Boosting over more columns than this takes minutes; this many principal components keep most information.
_BOOSTED_COLUMNS = 256


class _Regressor(Protocol):
    def fit(self, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray) -> Any: ...
    def predict(self, x: np.ndarray) -> np.ndarray: ...


def sequence_baselines(
    train: ComplexTable, test: Sequence[Complex], hits: pd.DataFrame
) -> dict[str, np.ndarray]:
    """Fit each baseline over sequences on training complexes and predict others.

    If the table has a column ``pdb``, training rows are weighted by 1 / (size of their PDB entry), so that a
    mutation series counts as one row.

    Parameters
    ----------
    train, test
        Complexes to fit on, and ``N`` complexes to predict.
    hits
        Similar chains of `test` and `train`; see `data_curation.audit.leakage.similar_chains`.

    Returns
    -------
    dict
        ``(N,)`` pKd for each of `SEQUENCE_BASELINES`.
    """
    labels, weight = train.measured_pkd("training"), entry_weights(train)
    composition = _scaled(_composition(train.complexes), _composition(test), weight)
    length = (_total_length(train.complexes), _total_length(test))
    trees = ExtraTreesRegressor(300, min_samples_leaf=3, max_features=0.5, random_state=0, n_jobs=-1)
    models: list[tuple[_Regressor, tuple[np.ndarray, np.ndarray]]] = [
        (DummyRegressor(), composition),
        (LinearRegression(), length),
        (_ridge(), composition),
        (trees, composition),
        (_boosting(), composition),
    ]
    predictions = [_fitted(model, x, labels, weight) for model, x in models]
    predictions.append(nearest_neighbour(train.complexes, labels, weight, test, hits))
    return dict(zip(SEQUENCE_BASELINES, predictions, strict=True))


def embedding_baselines(train: ComplexTable, embedded: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    """Fit each baseline over mean embeddings, weighted as in `sequence_baselines`.

    Gradient boosting over more than 256 columns gets their 256 first principal components.

    Parameters
    ----------
    train
        The training complexes.
    embedded, test
        ``(M, F)`` and ``(N, F)`` embeddings of training and other complexes, from
        `ppi.evaluation.embedding_features.mean_embeddings`.

    Returns
    -------
    dict
        ``(N,)`` pKd for each of `EMBEDDING_BASELINES`.
    """
    labels, weight = train.measured_pkd("training"), entry_weights(train)
    x = _scaled(embedded, test, weight)
    reduced = x
    if min(x[0].shape) > _BOOSTED_COLUMNS:
        components = PCA(_BOOSTED_COLUMNS, svd_solver="randomized", random_state=0).fit(x[0])
        reduced = (components.transform(x[0]), components.transform(x[1]))
    predictions = (_fitted(_ridge(), x, labels, weight), _fitted(_boosting(), reduced, labels, weight))
    return dict(zip(EMBEDDING_BASELINES, predictions, strict=True))


def entry_weights(table: ComplexTable) -> np.ndarray:
    """Return ``(N,)`` 1 / (number of complexes of the PDB entry); 1 for a complex without an entry."""
    if "pdb" not in table.columns:
        return np.ones(len(table))
    sizes = table.columns.groupby("pdb")["pdb"].transform("size")
    weight: np.ndarray = 1 / sizes.fillna(1).to_numpy(dtype=np.float64)
    return weight


def _fitted(
    model: _Regressor, x: tuple[np.ndarray, np.ndarray], labels: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    predicted: np.ndarray = model.fit(x[0], labels, sample_weight=weight).predict(x[1])
    return predicted


def _ridge() -> _Regressor:
    return RidgeCV(alphas=np.logspace(-1, 4, 11))


def _boosting() -> _Regressor:
    # Early stopping would hold out rows at random, and with them mutants of complexes that stay.
    return HistGradientBoostingRegressor(early_stopping=False, random_state=0)


def _scaled(train: np.ndarray, test: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scale = StandardScaler().fit(train, sample_weight=weight)
    return scale.transform(train), scale.transform(test)


def _composition(complexes: Sequence[Complex]) -> np.ndarray:
    """Return ``(N, 42)``: fraction of each residue and log length, of each side."""
    rows = []
    for item in complexes:
        row: list[float] = []
        for side in (item.ligand, item.receptor):
            residues = "".join(side)
            row += [residues.count(letter) / len(residues) for letter in AMINO_ACIDS]
            row.append(float(np.log(len(residues))))
        rows.append(row)
    return np.array(rows)


def _total_length(complexes: Sequence[Complex]) -> np.ndarray:
    return np.log([[sum(map(len, item.chains))] for item in complexes])
