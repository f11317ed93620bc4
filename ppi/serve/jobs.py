"""Jobs: they wait, run one after the other in a thread, and are kept for a while, in memory only."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict, deque
from typing import Literal

from data_curation.errors import CurationError
from ppi.errors import PpiError
from ppi.progress import listening
from ppi.serve.refusals import RefusedError, full
from ppi.serve.settings import ServeSettings
from ppi.serve.work import JobResult, Work

_LOG = logging.getLogger(__name__)
State = Literal["waiting", "running", "done", "failed", "cancelled"]
STATES: tuple[State, ...] = ("waiting", "running", "done", "failed", "cancelled")
FINISHED = ("done", "failed", "cancelled")


class _CancelledError(Exception):
    """Stops the work of a job that nobody wants any more."""


class Job:
    """A piece of work and how far it is.

    Attributes
    ----------
    id, kind, state
        A random name; scan, screen or explain; one of `STATES`.
    progress
        What is being done, units of it that are done, and all units; None where that is not known.
    error
        Why the job failed; None for other jobs.
    result
        What a job that is done has found; None for other jobs.
    """

    def __init__(self, kind: str, work: Work) -> None:
        self.id, self.kind, self.state = secrets.token_hex(16), kind, "waiting"
        self.progress: tuple[str, int, int] | None = None
        self.error: str | None = None
        self.result: JobResult | None = None
        self._work: Work | None = work
        self._lock = threading.Lock()

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINISHED

    def run(self) -> None:
        """Do the work, unless the job is cancelled before."""
        work = self._begin()
        if work is None:
            return
        try:
            with listening(self._advance):
                found = work()
        except _CancelledError:
            return
        except (PpiError, CurationError) as error:
            self._finish("failed", error=str(error))
        except Exception:
            _LOG.exception("job %s (%s) failed", self.id, self.kind)
            self._finish("failed", error="the server failed; its log says more")
        else:
            self._finish("done", result=found)

    def cancel(self) -> None:
        """Take the job back; work that has begun stops at its next step, and its result is dropped."""
        self._finish("cancelled")

    def _begin(self) -> Work | None:
        with self._lock:
            if not self.finished:
                self.state = "running"
            return self._work

    def _advance(self, what: str, done: int, total: int) -> None:
        if self.state == "cancelled":
            raise _CancelledError
        self.progress = (what, done, total)

    def _finish(self, state: State, *, error: str | None = None, result: JobResult | None = None) -> None:
        with self._lock:
            if not self.finished:
                self.error, self.result, self.state = error, result, state
                self._work = None


class Jobs:
    """All jobs of a server.

    Parameters
    ----------
    settings
        How many may wait, and how many are kept.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def submit(self, kind: str, work: Work) -> Job:
        """Let work be done.

        Raises
        ------
        RefusedError
            If too many jobs wait.
        """
        job = Job(kind, work)
        with self._changed:
            if len(self._queue) >= self._settings.waiting_jobs:
                raise full("jobs", self._settings.waiting_jobs)
            self._queue.append(job)
            self._jobs[job.id] = job
            self._drop_oldest()
            self._changed.notify()
        return job

    def get(self, name: str) -> Job:
        """Return a job.

        Raises
        ------
        RefusedError
            If it is not known.
        """
        job = self._jobs.get(name)
        if job is None:
            raise RefusedError(
                404,
                f"there is no job {name[:40]!r}; jobs are kept in memory, until the server stops or "
                "newer ones take their room: start the job again",
            )
        return job

    def cancel(self, name: str) -> Job:
        """Cancel a job that has not finished; forget what a finished one has found."""
        with self._changed:
            job = self.get(name)
            if job in self._queue:
                self._queue.remove(job)
            if job.finished:
                del self._jobs[name]
            job.cancel()
        return job

    def counts(self) -> dict[str, int]:
        """Return how many jobs have each state."""
        with self._changed:
            states = [job.state for job in self._jobs.values()]
        return {state: states.count(state) for state in STATES}

    def close(self) -> None:
        """Cancel everything."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            for job in self._jobs.values():
                job.cancel()
            self._changed.notify()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if self._closed:
                    return
                job = self._queue.popleft()
            job.run()
            with self._changed:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        finished = [job for job in self._jobs.values() if job.finished]
        size = sum(job.result.size for job in finished if job.result)
        # The newest result stays, however large it is: someone waits for it.
        for number, job in enumerate(finished[:-1]):
            if len(finished) - number <= self._settings.kept_jobs and size <= self._settings.kept_bytes:
                return
            size -= job.result.size if job.result else 0
            del self._jobs[job.id]
