"""Requests that wait together are predicted in one call, and split again."""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

from ppi.io.tables import ComplexTable
from ppi.prediction.predictor import Predictor
from ppi.serve.inputs import residues_of
from ppi.serve.refusals import full
from ppi.serve.settings import ServeSettings

_LOG = logging.getLogger(__name__)


class Options(NamedTuple):
    """What a call of the predictor has beside its complexes."""

    temperature_kelvin: float
    truncate: bool


@dataclass(frozen=True)
class _Waiting:
    table: ComplexTable
    options: Options
    answer: Future[pd.DataFrame] = field(default_factory=Future)


class Batcher:
    """Predicts for many clients with one thread; a prediction depends on its complex alone.

    Parameters
    ----------
    predictor
        What predicts.
    settings
        How much may wait, and how much is predicted at once.
    """

    def __init__(self, predictor: Predictor, settings: ServeSettings) -> None:
        self._predictor, self._settings = predictor, settings
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="predictions", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._queue)

    def submit(self, table: ComplexTable, options: Options) -> Future[pd.DataFrame]:
        """Let complexes be predicted.

        Raises
        ------
        ppi.serve.refusals.RefusedError
            If too many requests wait.
        """
        item = _Waiting(table, options)
        with self._changed:
            if len(self._queue) >= self._settings.waiting_requests:
                raise full("requests", self._settings.waiting_requests)
            self._queue.append(item)
            self._changed.notify()
        return item.answer

    def close(self) -> None:
        """Stop after the call that runs; what waits is cancelled."""
        with self._changed:
            self._closed = True
            while self._queue:
                self._queue.popleft().answer.cancel()
            self._changed.notify()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while batch := self._next():
            self._answer([item for item in batch if item.answer.set_running_or_notify_cancel()])

    def _next(self) -> list[_Waiting]:
        """Return the requests that come next and have the same options; none once the batcher is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            batch: list[_Waiting] = []
            residues = 0
            while self._queue and not self._closed:
                item = self._queue[0]
                residues += residues_of(item.table)
                if batch and (item.options != batch[0].options or residues > self._settings.batch_residues):
                    break
                batch.append(self._queue.popleft())
            return batch

    def _answer(self, batch: list[_Waiting]) -> None:
        """Answer requests in one call; if one of them is wrong, in two calls for half of them each."""
        if not batch:
            return
        try:
            answers = self._together(batch)
        except Exception as error:  # it belongs to who waits for the answer
            if len(batch) == 1:
                batch[0].answer.set_exception(error)
                return
            _LOG.debug("%d requests are divided: %s", len(batch), error)
            half = len(batch) // 2
            self._answer(batch[:half])
            self._answer(batch[half:])
        else:
            for item, answer in zip(batch, answers, strict=True):
                item.answer.set_result(answer)

    def _together(self, batch: list[_Waiting]) -> list[pd.DataFrame]:
        complexes = [complex_ for item in batch for complex_ in item.table.complexes]
        columns = pd.concat([item.table.columns for item in batch], ignore_index=True)
        options = batch[0].options
        found = self._predictor.predict(
            ComplexTable(complexes, columns),
            temperature_kelvin=options.temperature_kelvin,
            truncate=options.truncate,
        )
        ends = pd.Series([len(item.table) for item in batch]).cumsum().tolist()
        return [
            found.iloc[end - len(item.table) : end].reset_index(drop=True)
            for item, end in zip(batch, ends, strict=True)
        ]
