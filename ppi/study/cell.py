"""One cell of a study, in a separate process: ``python -m ppi.study.cell cells/NAME``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from data_curation.errors import CurationError
from data_curation.files import atomic_file, atomic_folder
from ppi.datasets import split_dataset
from ppi.devices import choose_device
from ppi.errors import PpiError
from ppi.io import json_files
from ppi.messages import show_messages
from ppi.models.folder import TrainedModel, load_model
from ppi.prediction.engine import predict_members
from ppi.study.cells import Cell
from ppi.study.splits import PARTS, ROWS_FILE, SPLITS_FOLDER, StudySplit, part_rows, read_rows
from ppi.training.run import train
from ppi.training.settings import settings_from_yaml

SETTINGS_FILE, CELL_FILE, RESULT_FILE = "settings.yaml", "cell.json", "result.json"
PREDICTIONS_FILE, MODEL_FOLDER, LOG_FILE = "predictions.csv", "model", "log.txt"


def write_cell(folder: Path, cell: Cell, split: StudySplit) -> None:
    """Write the task of a cell: ``settings.yaml`` for `ppi train`, and ``cell.json``.

    Raises
    ------
    data_curation.errors.OutputError
        If the folder cannot be written.
    """
    task = {
        "data": split.data,
        "split": split.argument,
        "rows": f"{SPLITS_FOLDER}/{split.name}",
        "request": cell.request(split.sha256),
    }
    with atomic_folder(folder) as temporary:
        text = yaml.safe_dump(cell.settings.flat(), sort_keys=False)
        (temporary / SETTINGS_FILE).write_text(text, encoding="utf-8")
        json_files.write_json(temporary / CELL_FILE, task)


def run_cell(folder: Path, *, device: str = "auto", store: str | os.PathLike[str] | None = None) -> None:
    """Train, or resume, the task of `write_cell`, and predict validation and test.

    Writes ``model``, ``predictions.csv`` (``id, part, measured, group, predicted``; pKd) and, last of all,
    ``result.json``.

    Parameters
    ----------
    folder
        Folder of the cell. The paths in its ``cell.json`` are relative to the working directory, which is
        that of the study.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    store
        Folder of the stores that keep a language model's embeddings; by default in the user's cache.

    Raises
    ------
    ppi.errors.PpiError, data_curation.errors.CurationError
        If the training or the prediction cannot be done.
    """
    task = read_json(folder / CELL_FILE)
    settings = settings_from_yaml(folder / SETTINGS_FILE)
    model = folder / MODEL_FOLDER
    place = choose_device(device)
    if model.exists():
        trained = load_model(model)
    else:
        trained = train(
            task["data"],
            output=model,
            split=task["split"],
            settings=settings,
            resume=True,
            validation_identity=_validation_identity(Path(task["rows"])),
            device=place,
            store=store,
        )
    rows = []
    table = split_dataset(task["data"], task["split"])
    for name in PARTS:
        part = table.part(name)
        predicted = predict_members(
            trained.model, part.complexes, truncate=settings.truncate, device=place, store=store
        )
        rows.append(part_rows(name, part).assign(predicted=predicted.mean))
    with atomic_file(folder / PREDICTIONS_FILE) as temporary:
        pd.concat(rows).to_csv(temporary, index=False)
    json_files.write_json(folder / RESULT_FILE, _result(trained, task, place))


def read_json(path: Path) -> dict[str, Any]:
    """Read ``cell.json`` or ``result.json``.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    return json_files.read_json(path, "delete the folder of this cell")


def _validation_identity(folder: Path) -> np.ndarray:
    rows = read_rows(folder / ROWS_FILE)
    return rows.loc[rows["part"] == "validation", "pair_identity"].to_numpy()


def _result(trained: TrainedModel, task: dict[str, Any], device: str) -> dict[str, Any]:
    (member,) = trained.manifest["members"]
    return {
        "request": task["request"],
        "validation_spearman": trained.manifest["validation"]["spearman"],
        "epochs": member["epochs"],
        "training_seconds": member["seconds"],
        "device": device,
    }


def _end_with_parent() -> None:
    """End this process, and those it started, when its standard input closes, because then the study has
    ended.

    Nothing is lost, because a cell resumes from its last epoch.
    """

    def wait() -> None:
        os.read(
            sys.stdin.fileno(), 1
        )  # sys.stdin.read is not used, because the interpreter needs its lock to exit.
        if sys.platform == "win32":
            os._exit(1)
        os.killpg(0, signal.SIGKILL)  # The study started it in a separate process group.

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Run the cell that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--end-with-parent", action="store_true", help="end when standard input ends")
    given = parser.parse_args()
    show_messages()
    if given.end_with_parent:
        _end_with_parent()
    try:
        run_cell(given.folder, device=given.device, store=given.store)
    except (PpiError, CurationError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
