"""One fold of a development cross-validation: train, predict, and save the results in a folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from data_curation.files import atomic_file
from ppi.complexes import Complex
from ppi.errors import TrainingError
from ppi.evaluation.baselines import SEQUENCE_BASELINES, TRAIN_MEAN, entry_weights, sequence_baselines
from ppi.evaluation.development import OutOfFold, constant_half_width
from ppi.evaluation.partners import score_partners
from ppi.io.json_files import read_json, write_json
from ppi.models.folder import TrainedModel, load_model
from ppi.prediction.novelty import NoveltyIndex
from ppi.prediction.predictor import Predictor
from ppi.provenance import differences
from ppi.study.folds import Fold
from ppi.training.run import train
from ppi.training.settings import TrainSettings

#: Scores of a prediction that may distinguish true pairs from wrong ones, if a model has them.
PARTNER_SCORES = ("pkd", "partner_score")
#: Baselines that a cross-validation fits.
Baselines = Literal["sequence", "none"]
TASK_FILE, RESULT_FILE, MODEL_FOLDER = "task.json", "result.json", "model"
_ROWS_FILE, _WRONG_FILE = "rows.parquet", "partners.parquet"
_ADVICE = "delete the folder of this fold"


@dataclass(frozen=True)
class FoldRun:
    """A fold and the recipe to train on it.

    Attributes
    ----------
    fold
        Rows of the fold.
    settings
        Settings of the recipe.
    baselines
        Baselines to fit: ``sequence``, or ``none`` except the training mean.
    drawn
        ``(N, K)`` wrong partners, from `ppi.evaluation.partners.draw_partners`.
    folder
        Folder for the results.
    """

    fold: Fold
    settings: TrainSettings
    baselines: Baselines
    drawn: np.ndarray
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether there is a result."""
        return (self.folder / RESULT_FILE).exists()

    def begin(self) -> None:
        """Write the task, or check that the folder has the same task.

        Raises
        ------
        TrainingError
            If it was begun with other settings or data, or is not a folder of a fold.
        data_curation.errors.OutputError
            If it cannot be written.
        """
        partners = hashlib.sha256(self.drawn.astype("<i8").tobytes()).hexdigest()
        own = {"data_sha256": self.fold.sha256, "partners_sha256": partners, "baselines": self.baselines}
        asked = json.loads(json.dumps(self.settings.flat() | own))
        task = self.folder / TASK_FILE
        if not task.exists():
            if self.folder.exists() and any(self.folder.iterdir()):
                raise TrainingError(
                    f"{self.folder}: the folder has other files and no {TASK_FILE}; choose another --work "
                    "folder"
                )
            write_json(task, asked)
            return
        for name, there, here in differences(read_json(task, _ADVICE, TrainingError), asked):
            raise TrainingError(
                f"{self.folder}: this fold was begun with {name} {there!r}, now it is {here!r}; choose "
                "another --work folder, or delete this one"
            )

    def run(self, hits: pd.DataFrame | None, *, device: str, store: str | os.PathLike[str] | None) -> None:
        """Train the model, or load it if it is trained already; predict, and write the result last.

        Parameters
        ----------
        hits
            From `data_curation.audit.leakage.similar_chains`, of the chains that are predicted in all others;
            None where no baseline needs them.
        device, store
            See `ppi.prediction.engine.predict_members`.

        Raises
        ------
        ppi.errors.PpiError, data_curation.errors.CurationError
            If the training or the prediction cannot be done, or the folder cannot be written.
        """
        known, rows = self.fold.known, self.fold.predicted
        training, validation = known.part("train"), known.part("validation")
        index = NoveltyIndex(training.complexes)
        identity = np.array([near.pair_identity for near in index.nearest(validation.complexes)])
        trained = self._trained(identity, device, store)
        found = rows.frame()[["id", "fold"]]
        with Predictor(trained, device=device, store=store) as predictor:
            predicted = predictor.predict(rows, truncate=self.settings.truncate)
        scores = [name for name in PARTNER_SCORES if predicted[name].notna().all()]
        with Predictor(trained, device=device, store=store, novelty=False) as predictor:

            def score(complexes: Sequence[Complex]) -> dict[str, np.ndarray]:
                table = predictor.predict(complexes, truncate=self.settings.truncate)
                return {name: table[name].to_numpy() for name in scores}

            wrong = score_partners(rows.complexes, self.drawn, score)
        mean = float(np.average(training.measured_pkd("training"), weights=entry_weights(training)))
        baselines = {TRAIN_MEAN: np.full(len(rows), mean)}
        if hits is not None:
            baselines = sequence_baselines(training, rows.complexes, hits)
        own = ["pkd_std", *scores, "novelty", "pair_identity", "nearest_complex", "nearest_pkd", "anchors"]
        found[own] = predicted[own]
        found["half_width"] = (predicted["pkd_upper"] - predicted["pkd_lower"]) / 2
        found["training_mean"] = mean
        found["constant_half_width"] = constant_half_width(mean, validation)
        _write_frame(self.folder / _ROWS_FILE, found.assign(**baselines))
        columns = {"row": self.drawn, **wrong}
        _write_frame(
            self.folder / _WRONG_FILE, pd.DataFrame({name: list(values) for name, values in columns.items()})
        )
        write_json(self.folder / RESULT_FILE, self._facts(trained))

    def read(self) -> tuple[OutOfFold, dict[str, Any]]:
        """Return the result of `run`: the out-of-fold rows, and facts.

        The facts are ``model, level, fold, n, training, validation, validation_spearman``.

        Raises
        ------
        TrainingError
            If a file cannot be read.
        """
        facts = read_json(self.folder / RESULT_FILE, _ADVICE, TrainingError)
        rows = _read_frame(self.folder / _ROWS_FILE)
        wrong = _read_frame(self.folder / _WRONG_FILE)
        baselines = {name: rows.pop(name).to_numpy() for name in SEQUENCE_BASELINES if name in rows}
        scores = {name: np.stack(list(wrong[name])) for name in PARTNER_SCORES if name in wrong}
        return OutOfFold(self.fold.predicted, rows, baselines, scores), facts

    def _trained(
        self, identity: np.ndarray, device: str, store: str | os.PathLike[str] | None
    ) -> TrainedModel:
        model = self.folder / MODEL_FOLDER
        if model.exists():
            return load_model(model)
        return train(
            self.fold.known,
            output=model,
            settings=self.settings,
            resume=True,
            validation_identity=identity,
            device=device,
            store=store,
        )

    def _facts(self, trained: TrainedModel) -> dict[str, Any]:
        sizes = self.fold.table.columns["split"].value_counts()
        return {
            "model": trained.manifest["name"],
            "level": trained.calibration.level,
            "fold": self.fold.number,
            "n": int(sizes["test"]),
            "training": int(sizes["train"]),
            "validation": int(sizes["validation"]),
            "validation_spearman": trained.manifest["validation"]["spearman"],
        }


def _read_frame(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: cannot be read ({error}); {_ADVICE}") from error


def _write_frame(path: Path, frame: pd.DataFrame) -> None:
    with atomic_file(path) as temporary:
        frame.to_parquet(temporary, index=False)
