"""Jobs: they wait, run one after the other in a thread, and are kept for a while."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque

from data_curation.errors import OutputError
from ppi.serve.job import STATES, Job
from ppi.serve.job_folder import JobFolder
from ppi.serve.refusals import RefusedError, full
from ppi.serve.settings import ServeSettings
from ppi.serve.work import Work

_LOG = logging.getLogger(__name__)


class Jobs:
    """All jobs of a server.

    Parameters
    ----------
    settings
        How many may wait, how many are kept, and where.

    Raises
    ------
    ppi.errors.InputError, data_curation.errors.OutputError
        If the folder for jobs is in use, or cannot be written.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._folder = None if settings.job_folder is None else JobFolder(settings.job_folder)
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._queue: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        if self._folder is not None:
            self._jobs |= {record.id: Job.restored(record) for record in self._folder.read()}
            self._drop_oldest()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def submit(self, kind: str, work: Work) -> Job:
        """Let work be done.

        Raises
        ------
        RefusedError
            If too many jobs wait, or the folder for jobs is full.
        """
        job = Job(kind, work)
        with self._changed:
            if len(self._queue) >= self._settings.waiting_jobs:
                raise full("jobs", self._settings.waiting_jobs)
            self._write_new(job)
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
                f"there is no job {name[:40]!r}; a server forgets old jobs when newer ones need the room, "
                "and all jobs when it stops, unless it was started with --jobs: start the job again",
            )
        return job

    def cancel(self, name: str) -> Job:
        """Cancel a job that has not finished; forget what a finished one has found."""
        with self._changed:
            job = self.get(name)
            if job in self._queue:
                self._queue.remove(job)
            if job.finished:
                self._forget(job)
            else:
                job.cancel()
                self._write(job)
        return job

    def counts(self) -> dict[str, int]:
        """Return how many jobs have each state."""
        with self._changed:
            states = [job.state for job in self._jobs.values()]
        return {state: states.count(state) for state in STATES}

    def close(self) -> None:
        """Stop all work; jobs that have not finished are interrupted for the next server of the folder."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            for job in self._jobs.values():
                job.cancel()
            self._changed.notify()
        self._thread.join(timeout=10)
        if self._folder is not None:
            self._folder.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                if self._closed:
                    return
                job = self._queue.popleft()
            job.run()
            with self._changed:
                if (
                    job.state != "cancelled"
                ):  # `cancel` has written those, and `close` leaves them as they are
                    self._write(job)
                self._drop_oldest()

    def _write_new(self, job: Job) -> None:
        if self._folder is None:
            return
        try:
            self._folder.write(job.record)
        except OutputError as error:
            raise RefusedError(507, f"the server cannot keep another job: {error}") from error

    def _write(self, job: Job) -> None:
        if self._folder is None:
            return
        try:
            self._folder.write(job.record)
        except OutputError as error:
            _LOG.warning("the result of job %s is kept in memory only: %s", job.id, error)

    def _forget(self, job: Job) -> None:
        del self._jobs[job.id]
        if self._folder is not None:
            self._folder.remove(job.id)

    def _drop_oldest(self) -> None:
        finished = [job for job in self._jobs.values() if job.finished]
        size = sum(job.result.size for job in finished if job.result)
        # The newest result stays, however large it is: someone waits for it.
        for number, job in enumerate(finished[:-1]):
            if len(finished) - number <= self._settings.kept_jobs and size <= self._settings.kept_bytes:
                return
            size -= job.result.size if job.result else 0
            self._forget(job)
