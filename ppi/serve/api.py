"""The JSON interface."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from ppi.io.predictions import format_csv
from ppi.serve.batching import Options
from ppi.serve.inputs import check_screen, complexes_of, residues_of, sides_of
from ppi.serve.job import Job
from ppi.serve.refusals import RefusedError
from ppi.serve.rows import json_rows
from ppi.serve.schemas import (
    Accepted,
    ComplexesRequest,
    ErrorAnswer,
    ExplainRequest,
    JobAnswer,
    Predictions,
    PredictRequest,
    ScanRequest,
    ScreenRequest,
)
from ppi.serve.state import State
from ppi.serve.work import explain_work, scan_work, screen_work

#: Seconds between two looks at a job whose events are sent.
_LOOK_SECONDS = 0.2
_PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
_ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorAnswer} for code in (400, 401, 404, 408, 413, 415, 421, 422, 429, 500, 507)
}

router = APIRouter(prefix="/api/v1", responses=_ERRORS)


def _state(request: Request) -> State:
    state: State = request.app.state.ppi
    return state


@router.get("/model", response_class=PlainTextResponse)
def model(request: Request) -> str:
    """Say what the model is, as `ppi info model` does."""
    return _state(request).description


@router.post("/predict", response_model=Predictions)
async def predict(request: Request, body: PredictRequest) -> Response:
    """Predict pKd with its interval; a table in CSV for clients that accept `text/csv`."""
    state, limits = _state(request), _state(request).settings
    table = await run_in_threadpool(
        complexes_of, body, most=limits.max_complexes, most_residues=limits.max_residues
    )
    answer = state.batcher.submit(table, Options(body.temperature_kelvin, body.truncate))
    found = await asyncio.wrap_future(answer)
    state.metrics.residues(residues_of(table))
    if "text/csv" in request.headers.get("accept", ""):
        return _csv((format_csv(found) or "").encode(), "predictions.csv")
    return JSONResponse({"predictions": json_rows(found)})


@router.post("/scan", response_model=Accepted, status_code=202)
async def scan(request: Request, body: ScanRequest) -> Response:
    """Begin a scan of mutations."""
    table = await _job_complexes(request, body)
    return _accepted(request, "scan", partial(scan_work, _state(request).predictor, table, body))


@router.post("/explain", response_model=Accepted, status_code=202)
async def explain(request: Request, body: ExplainRequest) -> Response:
    """Begin to explain predictions."""
    table = await _job_complexes(request, body)
    return _accepted(request, "explain", partial(explain_work, _state(request).predictor, table, body))


@router.post("/screen", response_model=Accepted, status_code=202)
async def screen(request: Request, body: ScreenRequest) -> Response:
    """Begin a screen of all pairs of ligands and receptors."""
    limits = _state(request).settings
    ligands = await run_in_threadpool(sides_of, body.ligands, "ligand")
    receptors = await run_in_threadpool(sides_of, body.receptors, "receptor")
    check_screen(ligands, receptors, most_pairs=limits.max_screen_pairs, most_residues=limits.max_residues)
    work = partial(screen_work, _state(request).predictor, ligands, receptors, body)
    return _accepted(request, "screen", work)


@router.get("/jobs/{name}", response_model=JobAnswer)
def job(request: Request, name: str) -> Response:
    """Say how far a job is, and what it has found."""
    found = _state(request).jobs.get(name)
    result = found.result
    head = json.dumps(_described(found))
    tail = b"}" if result is None else b', "result": ' + result.json + b"}"
    return Response(head[:-1].encode() + tail, media_type="application/json")


@router.get("/jobs/{name}/events", response_class=StreamingResponse)
async def events(request: Request, name: str) -> StreamingResponse:
    """Send how far a job is, as server-sent events, until it has finished."""
    return StreamingResponse(_events(_state(request).jobs.get(name)), media_type="text/event-stream")


@router.delete("/jobs/{name}", response_model=JobAnswer)
def cancel(request: Request, name: str) -> Response:
    """Cancel a job that has not finished; forget one that has."""
    return JSONResponse(_described(_state(request).jobs.cancel(name)))


@router.get("/jobs/{name}/table.csv", response_class=Response)
def table(request: Request, name: str) -> Response:
    """Return the table of a job that is done, as the command line writes it."""
    found = _state(request).jobs.get(name)
    return _csv(_done(found.result, found), f"{found.kind}.csv")


@router.get("/jobs/{name}/page.html", response_class=Response)
def page(request: Request, name: str) -> Response:
    """Return the page of a scan or an explanation that is done; it needs no other file."""
    found = _state(request).jobs.get(name)
    content = None if found.result is None else found.result.page
    if found.result is not None and content is None:
        raise RefusedError(404, f"a {found.kind} has no page; see its table.csv")
    return Response(
        content if content is not None else _done(None, found),
        media_type="text/html",
        headers={"Content-Security-Policy": _PAGE_POLICY},
    )


async def _job_complexes(request: Request, body: ComplexesRequest) -> Any:
    limits = _state(request).settings
    return await run_in_threadpool(
        complexes_of, body, most=limits.max_job_complexes, most_residues=limits.max_job_residues
    )


def _accepted(request: Request, kind: str, work: Any) -> Response:
    begun = _state(request).jobs.submit(kind, work)
    where = f"{router.prefix}/jobs/{begun.id}"
    return JSONResponse(
        {"id": begun.id, "kind": kind, "state": begun.state}, 202, headers={"Location": where}
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


def _csv(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="text/csv", headers=headers)
