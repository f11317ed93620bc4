"""A screen from its inputs to its rows."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ppi.engines.base import Engine, Resources
from ppi.prediction.screening.estimate import Estimate, estimate
from ppi.prediction.screening.output import check_output, write_part
from ppi.prediction.screening.preparation import Parts, Prepared, prepare
from ppi.prediction.screening.screener import Screener
from ppi.prediction.screening.settings import ScreenSettings
from ppi.prediction.screening.targets import Targets
from ppi.prediction.screening.work import WorkFolder, pins_of
from ppi.progress import progress_bar

_LOG = logging.getLogger(__name__)
#: Longest time of a screen by its estimate, unless more is allowed.
MAX_HOURS = 24.0


class ScreenSummary(NamedTuple):
    """What a screen did: pairs, rows that were kept, and the file."""

    pairs: int
    rows: int
    output: str


@dataclass(frozen=True)
class Screen:
    """A screen that is ready to start.

    Attributes
    ----------
    parts, targets, settings
        The model, the pairs, and what is kept.
    engine, resources
        What the work is shared out by.
    max_hours
        Longest time that is allowed by the estimate.
    device
        Where the model computes.
    """

    parts: Parts
    targets: Targets
    settings: ScreenSettings
    engine: Engine
    resources: Resources
    max_hours: float
    device: str

    def estimate(self, suffix: str = ".parquet") -> Estimate:
        """Return what the screen will cost."""
        return estimate(self.parts, self.targets, self.settings, self.engine, self.resources, suffix)

    def frame(self) -> pd.DataFrame:
        """Return the rows in memory."""
        self._checked(".parquet", None)
        screener = self._screener(self._prepare())
        with progress_bar("screening", self.targets.pairs, "pairs") as advance:
            tables = [screener.table(block, advance) for block in self.targets.blocks()]
        filled = [table for table in tables if len(table)]
        return pd.concat(filled, ignore_index=True) if filled else tables[0]

    def write(self, output: str | os.PathLike[str], *, resume: bool = False) -> ScreenSummary:
        """Write the rows block by block into a file that does not exist yet.

        Finished blocks lie in a folder beside it, ``OUTPUT.unfinished``, until all are there.

        Parameters
        ----------
        output
            File with the suffix ``.csv``, ``.tsv`` or ``.parquet``.
        resume
            Continue where an interrupted screen with the same inputs and settings has stopped; if there is
            none, begin.

        Raises
        ------
        ppi.errors.InputError
            If the screen is too large, or the unfinished one is of other inputs or settings.
        data_curation.errors.OutputError
            If the output exists or cannot be written, or there is an unfinished screen and `resume` is off.
        """
        target = check_output(output)
        work = WorkFolder(target)
        work.check(resume)
        if not work.path.exists():
            self._checked(target.suffix.lower(), target)
        blocks = 0
        with work.opened(pins_of(self.parts, self.targets, self.settings, self.device)):
            screener = self._screener(work.prepared(self._prepare))
            with progress_bar("screening", self.targets.pairs, "pairs") as advance:
                for blocks, block in enumerate(self.targets.blocks(), start=1):
                    path = work.part(blocks)
                    if path.exists():
                        advance(sum(map(self.targets.size, block)))
                    else:
                        write_part(screener.table(block, advance), path)
            rows = work.finish(blocks)
        return ScreenSummary(self.targets.pairs, rows, str(target))

    def _checked(self, suffix: str, output: Path | None) -> None:
        """Say what the screen will cost, or refuse it."""
        cost = self.estimate(suffix)
        cost.check(self.max_hours, None if output is None else _existing_folder(output))
        _LOG.info("%s", cost.describe())
        if not self.parts.model.joins_sides:
            _LOG.info(
                "model %r does not join sides that are pooled apart: its head runs over each pair, which "
                "takes far longer",
                self.parts.trained.name,
            )

    def _prepare(self) -> Prepared:
        return prepare(self.parts, self.targets, truncate=self.settings.truncate)

    def _screener(self, prepared: Prepared) -> Screener:
        return Screener(self.parts, self.targets, prepared, self.settings, self.engine, self.resources)


def _existing_folder(path: Path) -> Path:
    return next(folder for folder in path.absolute().parents if folder.exists())
