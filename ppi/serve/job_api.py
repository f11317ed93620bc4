"""The part of the JSON interface that is about jobs: how far they are, and what they have found."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ppi.serve.answers import csv_answer, state_of
from ppi.serve.job import Job
from ppi.serve.refusals import RefusedError
from ppi.serve.schemas import JobAnswer

#: Seconds between two looks at a job whose events are sent.
_LOOK_SECONDS = 0.2
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"

router = APIRouter()


@router.get("/jobs/{name}", response_model=JobAnswer)
def job(request: Request, name: str) -> Response:
    """Say how far a job is, and what it has found."""
    found = state_of(request).jobs.get(name)
    result = found.result
    head = json.dumps(_described(found))
    tail = b"}" if result is None else b', "result": ' + result.json + b"}"
    return Response(head[:-1].encode() + tail, media_type="application/json")


@router.get("/jobs/{name}/events", response_class=StreamingResponse)
async def events(request: Request, name: str) -> StreamingResponse:
    """Send how far a job is, as server-sent events, until it has finished."""
    return StreamingResponse(_events(state_of(request).jobs.get(name)), media_type="text/event-stream")


@router.delete("/jobs/{name}", response_model=JobAnswer)
def cancel(request: Request, name: str) -> Response:
    """Cancel a job that has not finished; forget one that has."""
    return JSONResponse(_described(state_of(request).jobs.cancel(name)))


@router.get("/jobs/{name}/table.csv", response_class=Response)
def table(request: Request, name: str) -> Response:
    """Return the table of a job that is done, as the command line writes it."""
    found = state_of(request).jobs.get(name)
    return csv_answer(_done(found.result, found), f"{found.kind}.csv")


@router.get("/jobs/{name}/page.html", response_class=Response)
def page(request: Request, name: str) -> Response:
    """Return the page of a scan or an explanation that is done; it needs no other file."""
    found = state_of(request).jobs.get(name)
    content = None if found.result is None else found.result.page
    if found.result is not None and content is None:
        raise RefusedError(404, f"a {found.kind} has no page; see its table.csv")
    return Response(
        content if content is not None else _done(None, found),
        media_type="text/html",
        headers={"Content-Security-Policy": _PAGE_POLICY},
    )


def _described(job: Job) -> dict[str, Any]:
    progress = job.progress
    shown = None if progress is None else dict(zip(("what", "done", "total"), progress, strict=True))
    return {"id": job.id, "kind": job.kind, "state": job.state, "progress": shown, "error": job.error}


async def _events(job: Job) -> AsyncIterator[str]:
    last = ""
    while True:
        finished = job.finished
        now = json.dumps(_described(job))
        if now != last:
            yield f"data: {now}\n\n"
            last = now
        if finished:
            return
        await asyncio.sleep(_LOOK_SECONDS)


def _done(result: Any, job: Job) -> bytes:
    if result is None:
        raise RefusedError(409, f"the job is {job.state}; it has a result once it is done")
    content: bytes = result.csv
    return content
