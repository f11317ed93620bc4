"""One job: a piece of work, how far it is, and what it has found."""

from __future__ import annotations

import logging
import secrets
import threading
from dataclasses import dataclass
from typing import Literal

from data_curation.errors import CurationError
from ppi.errors import PpiError
from ppi.progress import listening
from ppi.serve.work import JobResult, Work

_LOG = logging.getLogger(__name__)
State = Literal["waiting", "running", "done", "failed", "cancelled", "interrupted"]
STATES: tuple[State, ...] = ("waiting", "running", "done", "failed", "cancelled", "interrupted")
FINISHED: tuple[State, ...] = ("done", "failed", "cancelled", "interrupted")
_INTERRUPTED = "the server stopped before this job had finished; start the job again"


@dataclass(frozen=True)
class Record:
    """What is kept of a job; the attributes are those of `Job`."""

    id: str
    kind: str
    state: State
    error: str | None = None
    result: JobResult | None = None


class _CancelledError(Exception):
    """Stops the work of a job that nobody wants any more."""


class Job:
    """A piece of work and how far it is.

    Attributes
    ----------
    id, kind, state
        A random name; scan, screen, explain, adapt or suggest; one of `STATES`.
    progress
        What is being done, units of it that are done, and all units; None where that is not known.
    error
        Why the job failed or was interrupted; None for other jobs.
    result
        What a job that is done has found; None for other jobs.
    """

    def __init__(self, kind: str, work: Work | None) -> None:
        self.id, self.kind = secrets.token_hex(16), kind
        self.state: State = "waiting"
        self.progress: tuple[str, int, int] | None = None
        self.error: str | None = None
        self.result: JobResult | None = None
        self._work = work
        self._lock = threading.Lock()

    @classmethod
    def restored(cls, record: Record) -> Job:
        """Return a job of a server that has stopped; one that had not finished is interrupted."""
        job = cls(record.kind, None)
        job.id, job.state, job.error, job.result = record.id, record.state, record.error, record.result
        if not job.finished:
            job.state, job.error = "interrupted", _INTERRUPTED
        return job

    @property
    def record(self) -> Record:
        """What is to be kept of it."""
        with self._lock:
            return Record(self.id, self.kind, self.state, self.error, self.result)

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
