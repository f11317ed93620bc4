"""Threads of this process, for functions that spend their time in numpy, torch or compiled code."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from ppi.engines.base import Engine, Item, Resources, Result, Setup

#: Items for each worker that are taken before their results are wanted.
_AHEAD = 2


class LocalEngine(Engine):
    """Runs tasks in threads.

    Threads share the model, and end with their process: none is left behind, however it is stopped.
    """

    remote = False

    def map(
        self, setup: Setup[Item, Result], items: Iterable[Item], resources: Resources
    ) -> Generator[Result, None, None]:
        workers, waiting, function = self.workers(resources), iter(items), setup()
        pool = ThreadPoolExecutor(workers, thread_name_prefix="ppi")
        flight = deque[Future[Result]]()
        try:
            flight.extend(pool.submit(function, item) for item in islice(waiting, _AHEAD * workers))
            while flight:
                result = flight.popleft().result()
                flight.extend(pool.submit(function, item) for item in islice(waiting, 1))
                yield result
        finally:
            pool.shutdown(cancel_futures=True)
