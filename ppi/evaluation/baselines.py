"""What a model must beat: predictors that know nothing but composition and length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.preprocessing import StandardScaler

from ppi.complexes import AMINO_ACIDS, Complex
from ppi.io.tables import ComplexTable

BASELINES = ("train mean", "total length", "ridge on composition", "extra trees on composition")


class _Regressor(Protocol):
    def fit(self, x: np.ndarray, y: np.ndarray, sample_weight: np.ndarray) -> Any: ...
    def predict(self, x: np.ndarray) -> np.ndarray: ...


def baseline_predictions(train: ComplexTable, test: Sequence[Complex]) -> dict[str, np.ndarray]:
    """Fit each baseline on training complexes and predict others.

    Training rows are weighted by one over the size of their PDB entry where the table has a column
    ``pdb``, so that a mutation series counts as one row.

    Returns
    -------
    dict
        ``(N,)`` pKd for each of `BASELINES`.
    """
    labels = train.measured_pkd("training")
    weight: np.ndarray = np.ones(len(train))
    if "pdb" in train.columns:
        sizes = train.columns.groupby("pdb")["pdb"].transform("size")
        weight = 1 / sizes.fillna(1).to_numpy(dtype=np.float64)  # a row without an entry stands alone
    scale = StandardScaler().fit(_features(train.complexes), sample_weight=weight)
    composition = (scale.transform(_features(train.complexes)), scale.transform(_features(test)))
    length = (_total_length(train.complexes), _total_length(test))
    trees = ExtraTreesRegressor(300, min_samples_leaf=3, max_features=0.5, random_state=0, n_jobs=-1)
    models: list[tuple[_Regressor, tuple[np.ndarray, np.ndarray]]] = [
        (DummyRegressor(), composition),
        (LinearRegression(), length),
        (RidgeCV(alphas=np.logspace(-1, 4, 11)), composition),
        (trees, composition),
    ]
    return {
        name: model.fit(x, labels, sample_weight=weight).predict(x_test)
        for name, (model, (x, x_test)) in zip(BASELINES, models, strict=True)
    }


def _features(complexes: Sequence[Complex]) -> np.ndarray:
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
