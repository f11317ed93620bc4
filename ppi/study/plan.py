"""The plan of a study: its cells, their states, and the command that repeats each of them."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data_curation.files import check_writable_folder
from ppi.study.cell import CELL_FILE, RESULT_FILE, SETTINGS_FILE, read_json, write_cell
from ppi.study.cells import Cell, Configuration, make_cells, make_configurations
from ppi.study.settings import StudySettings, read_study
from ppi.study.splits import StudySplit, open_splits

#: ``changed``: there is a result, but for other settings or data.
State = Literal["new", "unfinished", "finished", "changed"]


@dataclass(frozen=True)
class StudyPlan:
    """A study before it runs.

    Attributes
    ----------
    folder
        Absolute path of the folder that it is written into.
    settings
        Settings of the study.
    configurations, splits, cells
        Its parts, in the order of the settings.
    """

    folder: Path
    settings: StudySettings
    configurations: list[Configuration]
    splits: dict[str, StudySplit]
    cells: list[Cell]

    def cell_folder(self, cell: Cell) -> Path:
        """Return where a cell is written."""
        return self.folder / "cells" / cell.name

    def state(self, cell: Cell) -> State:
        """Return the state of a cell.

        Raises
        ------
        ppi.errors.InputError
            If its folder exists, but has no readable ``cell.json``.
        """
        folder, request = self.cell_folder(cell), cell.request(self.splits[cell.split].sha256)
        if not folder.exists():
            return "new"
        if read_json(folder / CELL_FILE)["request"] != request:
            return "changed"
        return "finished" if (folder / RESULT_FILE).exists() else "unfinished"

    def finished(self) -> list[Cell]:
        """Return the finished cells."""
        return [cell for cell in self.cells if self.state(cell) == "finished"]

    def command(self, cell: Cell) -> str:
        """Return the `ppi train` that makes the model of a cell again, in the folder of the study."""
        split = self.splits[cell.split]
        config = f"cells/{cell.name}/{SETTINGS_FILE}"
        words = ["ppi", "train", "--config", config, "--data", split.data, "--split", split.argument]
        return shlex.join([*words, "--output", f"again/{cell.name}"])

    def write(self, cells: Sequence[Cell]) -> None:
        """Write the task of each cell; results of other settings or data are deleted."""
        for cell in cells:
            state = self.state(cell)
            if state == "changed":
                shutil.rmtree(self.cell_folder(cell))
            if state in ("new", "changed"):
                write_cell(self.cell_folder(cell), cell, self.splits[cell.split])


def plan_study(config: str | os.PathLike[str], output: str | os.PathLike[str]) -> StudyPlan:
    """Read a study and check everything that can be checked without a model.

    Raises
    ------
    ppi.errors.PpiError, data_curation.errors.CurationError
        If the settings, the data or a split are wrong, or the folder cannot be written.
    """
    folder = check_writable_folder(output)
    settings = read_study(config)
    configurations = make_configurations(settings, str(config))
    splits = {split.name: split for split in open_splits(settings.data, settings.splits, folder)}
    cells = make_cells(configurations, list(splits), settings.seeds)
    return StudyPlan(folder, settings, configurations, splits, cells)
