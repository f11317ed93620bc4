"""Jobs: they wait, are cancelled, make room for others, and outlive the server in a folder."""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from data_curation.errors import OutputError
from ppi.errors import InputError
from ppi.serve.job import Job
from ppi.serve.job_folder import JobFolder
from ppi.serve.jobs import Jobs
from ppi.serve.refusals import RefusedError
from ppi.serve.settings import ServeSettings
from ppi.serve.work import JobResult

RESULT = JobResult(b'{"rows": []}', b"x" * 100, b"<p>\xc3\xa9</p>")


class Held:
    """Work that waits until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self) -> JobResult:
        self.begun.set()
        assert self.go.wait(10)
        return RESULT


def wait_for(job: Job, jobs: Jobs) -> None:
    """Wait until a job has finished and been written."""
    for _ in range(500):
        with jobs._changed:
            if job.finished:
                return
        time.sleep(0.01)
    raise AssertionError("the job does not end")


def test_jobs_wait_are_cancelled_and_have_a_limit() -> None:
    jobs, held = Jobs(ServeSettings(waiting_jobs=2)), Held()
    running = jobs.submit("scan", held)
    assert held.begun.wait(10)
    waiting = [jobs.submit("scan", held) for _ in range(2)]
    with pytest.raises(RefusedError, match="2 jobs are waiting") as refused:
        jobs.submit("scan", held)
    assert (refused.value.status_code, refused.value.headers) == (429, {"Retry-After": "2"})
    assert jobs.counts() | {"waiting": 2, "running": 1} == jobs.counts()
    for job in (running, waiting[0]):
        assert jobs.cancel(job.id).state == "cancelled"
    held.go.set()
    wait_for(waiting[1], jobs)
    assert [running.state, waiting[0].state, waiting[1].state] == ["cancelled", "cancelled", "done"]
    assert running.result is None
    jobs.close()


def test_old_results_make_room(tmp_path: Path) -> None:
    jobs, held = Jobs(ServeSettings(kept_bytes=300, kept_jobs=3, job_folder=tmp_path)), Held()
    held.go.set()
    names = []
    for _ in range(5):
        job = jobs.submit("scan", held)
        names.append(job.id)
        wait_for(job, jobs)
    jobs.close()
    for name in names[:-2]:
        with pytest.raises(RefusedError, match="forgets old jobs"):
            jobs.get(name)
    assert {file.stem for file in tmp_path.glob("*.json")} == set(names[-2:])


def test_a_restart_in_the_middle_of_a_job(tmp_path: Path) -> None:
    settings = ServeSettings(job_folder=tmp_path / "jobs")
    jobs, quick, held = Jobs(settings), Held(), Held()
    quick.go.set()
    done = jobs.submit("scan", quick)
    wait_for(done, jobs)
    running, waiting = jobs.submit("explain", held), jobs.submit("screen", held)
    assert held.begun.wait(10)
    jobs._folder.close()  # what the system does when it kills the process
    again = Jobs(settings)
    assert again.get(done.id).record == done.record
    assert done.record.result == RESULT
    for lost in (running, waiting):
        found = again.get(lost.id)
        assert (found.kind, found.state) == (lost.kind, "interrupted")
        assert "start the job again" in str(found.error)
    again.cancel(running.id)
    again.close()
    last = Jobs(settings)
    assert last.counts() | {"done": 1, "interrupted": 1} == last.counts()
    with pytest.raises(RefusedError):
        last.get(running.id)
    last.close()
    held.go.set()


def test_a_server_that_stops_in_order_interrupts_its_jobs(tmp_path: Path) -> None:
    settings = ServeSettings(job_folder=tmp_path)
    jobs, held = Jobs(settings), Held()
    running, waiting = (jobs.submit("scan", held) for _ in range(2))
    assert held.begun.wait(10)
    threading.Timer(0.1, held.go.set).start()
    jobs.close()
    again = Jobs(settings)
    assert [again.get(job.id).state for job in (running, waiting)] == ["interrupted"] * 2
    again.close()


def test_a_full_disk_is_one_clear_error_and_the_server_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jobs, held = Jobs(ServeSettings(job_folder=tmp_path)), Held()
    held.go.set()
    full = True
    original = Path.write_text

    def write(path: Path, *given: Any, **more: Any) -> int:
        if full:
            raise OSError(28, "No space left on device")
        return original(path, *given, **more)

    monkeypatch.setattr(Path, "write_text", write)
    with pytest.raises(RefusedError, match="cannot keep another job.*No space left") as refused:
        jobs.submit("scan", held)
    assert refused.value.status_code == 507
    assert list(tmp_path.glob("*.json")) == list(tmp_path.glob(".partial*")) == []
    full = False
    held.go.clear()
    held.begun.clear()
    job = jobs.submit("scan", held)
    assert held.begun.wait(10)
    full = True
    with caplog.at_level(logging.WARNING):
        held.go.set()
        wait_for(job, jobs)
        jobs.close()
    assert jobs.get(job.id).result == RESULT
    assert "is kept in memory only" in caplog.text


def test_files_that_are_damaged_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number, content in enumerate(("", "[]", "{}", json.dumps({"id": "x", "state": "done"}))):
        (tmp_path / f"{number:032x}.json").write_text(content)
    (tmp_path / "notes.json").write_text("mine")
    folder = JobFolder(tmp_path)
    assert list(folder.read()) == []
    assert caplog.text.count("is damaged") == 4
    folder.close()


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    first = JobFolder(tmp_path)
    with pytest.raises(InputError, match="another server"):
        JobFolder(tmp_path)
    first.close()
    JobFolder(tmp_path).close()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file"):
        JobFolder(tmp_path / "file")
