"""A folder that keeps jobs, one file a job, so that they outlive the server."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import filelock

from data_curation.files import atomic_file, check_writable_folder
from ppi.errors import InputError
from ppi.serve.job import STATES, Record
from ppi.serve.work import JobResult

_LOG = logging.getLogger(__name__)
_LOCK = ".lock"
_NAME = re.compile(r"[0-9a-f]{32}\.json")


class JobFolder:
    """Writes and reads jobs; each file appears with all its content, or not at all.

    Parameters
    ----------
    path
        The folder; it is made if it is not there, and only its owner can read it.

    Raises
    ------
    data_curation.errors.OutputError
        If it cannot be written.
    InputError
        If another server uses it.
    """

    def __init__(self, path: Path) -> None:
        self.path = check_writable_folder(path)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._lock = filelock.FileLock(self.path / _LOCK, timeout=0, thread_local=False)
            self._lock.acquire()
        except filelock.Timeout as error:
            raise InputError(
                f"the folder {path} keeps the jobs of another server that is running; stop it, or give "
                "another folder with --jobs"
            ) from error

    def close(self) -> None:
        """Let another server use the folder."""
        self._lock.release()

    def write(self, record: Record) -> None:
        """Keep a job.

        Raises
        ------
        data_curation.errors.OutputError
            If the disk is full, or the folder cannot be written any more.
        """
        result = record.result
        content = {
            "id": record.id,
            "kind": record.kind,
            "state": record.state,
            "error": record.error,
            "result": None
            if result is None
            else {
                "json": result.json.decode(),
                "csv": result.csv.decode(),
                "page": None if result.page is None else result.page.decode(),
            },
        }
        with atomic_file(self.path / f"{record.id}.json") as temporary:
            temporary.write_text(json.dumps(content), encoding="utf-8")

    def remove(self, job: str) -> None:
        """Forget a job."""
        try:
            (self.path / f"{job}.json").unlink(missing_ok=True)
        except OSError as error:
            _LOG.warning("job %s stays in %s: %s", job, self.path, error)

    def read(self) -> Iterator[Record]:
        """Yield the jobs that are kept, the oldest first; a file that is damaged is named in the log."""
        files = [file for file in self.path.iterdir() if _NAME.fullmatch(file.name)]
        for file in sorted(files, key=lambda file: file.stat().st_mtime):
            try:
                yield _record(file)
            except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                _LOG.warning("%s is damaged and is left out: %r; delete it", file, error)


def _record(file: Path) -> Record:
    content = json.loads(file.read_text(encoding="utf-8"))
    if content["state"] not in STATES or content["id"] != file.stem:
        raise ValueError("the state or the id is wrong")
    found = content["result"]
    result = found and JobResult(
        found["json"].encode(), found["csv"].encode(), found["page"] and found["page"].encode()
    )
    return Record(content["id"], content["kind"], content["state"], content["error"], result)
