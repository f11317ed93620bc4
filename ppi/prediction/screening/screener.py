"""From blocks of targets to rows of the result."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial

import numpy as np
import pandas as pd
import torch

from ppi.engines.base import Engine, Resources
from ppi.io.predictions import kd_from_pkd
from ppi.prediction.screening.columns import PairComputer
from ppi.prediction.screening.output import COLUMNS
from ppi.prediction.screening.pieces import PairColumns, Piece, joined, ranked
from ppi.prediction.screening.preparation import Parts, Prepared
from ppi.prediction.screening.settings import ScreenSettings
from ppi.prediction.screening.targets import Block, Targets

#: Blocks for each remote worker from which on a task is a block: fewer would leave workers without one.
_BLOCKS_EACH = 4


class Screener:
    """Computes blocks of a screen.

    Parameters
    ----------
    parts, targets, prepared, settings, anchor
        See `ppi.prediction.screening.columns.PairComputer`.
    engine, resources
        Engine and workers that compute the pairs; the engine is open.
    """

    def __init__(
        self,
        parts: Parts,
        targets: Targets,
        prepared: Prepared,
        settings: ScreenSettings,
        engine: Engine,
        resources: Resources,
        *,
        anchor: bool = True,
    ) -> None:
        self._targets, self._settings = targets, settings
        self._engine, self._resources = engine, resources
        self._model, self._at_once = parts.trained.name, prepared.at_once
        self._setup = partial(PairComputer, parts, targets, prepared, settings, anchor=anchor)

    def tables(
        self, blocks: Sequence[Block], advance: Callable[[int], None]
    ) -> Generator[pd.DataFrame, None, None]:
        """Yield what is kept of the pairs of each block, target by target, the best first.

        Parameters
        ----------
        blocks
            Targets, in blocks.
        advance
            Takes how many more pairs are done.
        """
        if not blocks:
            return
        workers = self._engine.workers(self._resources)
        complete = self._engine.remote and len(blocks) >= _BLOCKS_EACH * workers
        waiting = deque[tuple[Block, list[int]]]()

        def pieces() -> Iterator[Piece]:
            for block in blocks:
                piece_of_block = Piece(*self._targets.pairs_of(block), complete)
                cut = [piece_of_block] if complete else piece_of_block.cut(self._at_once)
                waiting.append((block, [len(piece.ligands) for piece in cut]))
                yield from cut

        found = self._engine.map(self._setup, pieces(), self._resources)
        with _THREADS.shared(1 if self._engine.remote else workers), closing(found):
            for first in found:
                (block, sizes), columns = waiting.popleft(), [first]
                advance(sizes[0])
                for size in sizes[1:]:
                    columns.append(next(found))
                    advance(size)
                yield self._frame(joined(columns) if complete else self._ranked(block, columns))

    def _ranked(self, block: Block, columns: Sequence[PairColumns]) -> PairColumns:
        ends = np.cumsum([self._targets.size(target) for target in block])
        own = [slice(*both) for both in zip([0, *ends[:-1]], ends, strict=True)]
        return ranked(joined(columns), own, self._settings)

    def _frame(self, columns: PairColumns) -> pd.DataFrame:
        frame = pd.DataFrame(columns)
        frame = frame.assign(kd_molar=kd_from_pkd(frame["pkd"]), model=self._model)
        return frame[list(COLUMNS)]


class _TorchThreads:
    """Torch's threads, which all workers of all screens in this process share."""

    def __init__(self) -> None:
        self._lock, self._screens, self._all = threading.Lock(), 0, 0

    @contextmanager
    def shared(self, workers: int) -> Iterator[None]:
        """Let workers share the threads: with all of them in each, they would wait for each other."""
        with self._lock:
            if not self._screens:
                self._all = torch.get_num_threads()
            self._screens += 1
            torch.set_num_threads(max(1, self._all // workers))
        try:
            yield
        finally:
            with self._lock:
                self._screens -= 1
                if not self._screens:
                    torch.set_num_threads(self._all)


_THREADS = _TorchThreads()
