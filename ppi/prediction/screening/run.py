"""A screen from its inputs to its rows."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import closing
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
from ppi.prediction.screening.targets import Block, Targets
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
        with self.engine.opened(self.resources):
            return self._estimate(suffix)

    def frame(self) -> pd.DataFrame:
        """Return the rows in memory."""
        with self.engine.opened(self.resources):
            self._checked(".parquet", None)
            screener = self._screener(self._prepare())
            with progress_bar("screening", self.targets.pairs, "pairs") as advance:
                tables = list(screener.tables(list(self.targets.blocks()), advance))
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
        with self.engine.opened(self.resources):
            if not work.path.exists():
                self._checked(target.suffix.lower(), target)
            with work.opened(pins_of(self.parts, self.targets, self.settings, self.device)):
                screener = self._screener(self._prepare(work.sides))
                blocks = dict(enumerate(self.targets.blocks(), start=1))
                self._write_parts(screener, {work.part(number): block for number, block in blocks.items()})
                rows = work.finish(len(blocks))
        return ScreenSummary(self.targets.pairs, rows, str(target))

    def _write_parts(self, screener: Screener, blocks: Mapping[Path, Block]) -> None:
        """Write the part of each block that is not there yet."""
        missing = {path: block for path, block in blocks.items() if not path.exists()}
        with progress_bar("screening", self.targets.pairs, "pairs") as advance:
            advance(
                self.targets.pairs
                - sum(self.targets.size(item) for block in missing.values() for item in block)
            )
            with closing(screener.tables(list(missing.values()), advance)) as tables:
                for path, table in zip(missing, tables, strict=True):
                    write_part(table, path)

    def _estimate(self, suffix: str) -> Estimate:
        return estimate(self.parts, self.targets, self.settings, self.engine, self.resources, suffix)

    def _checked(self, suffix: str, output: Path | None) -> None:
        """Say what the screen will cost, or refuse it."""
        cost = self._estimate(suffix)
        cost.check(self.max_hours, None if output is None else _existing_folder(output))
        _LOG.info("%s", cost.describe())
        if not self.parts.model.joins_sides:
            _LOG.info(
                "model %r does not join sides that are pooled apart: its head runs over each pair, which "
                "takes far longer",
                self.parts.trained.name,
            )

    def _prepare(self, kept: Callable[[int], Path] | None = None) -> Prepared:
        return prepare(
            self.parts,
            self.targets,
            self.engine,
            self.resources,
            truncate=self.settings.truncate,
            kept=kept,
        )

    def _screener(self, prepared: Prepared) -> Screener:
        return Screener(self.parts, self.targets, prepared, self.settings, self.engine, self.resources)


def _existing_folder(path: Path) -> Path:
    return next(folder for folder in path.absolute().parents if folder.exists())
