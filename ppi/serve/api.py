"""The JSON interface."""

from __future__ import annotations

import asyncio
from functools import partial

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, PlainTextResponse, Response

from ppi.io.predictions import format_csv
from ppi.io.tables import ComplexTable
from ppi.serve.adapting import adapt_work, suggest_work
from ppi.serve.answers import ERRORS, csv_answer, state_of
from ppi.serve.batching import Options
from ppi.serve.inputs import MeasuredVariants, check_screen, complexes_of, residues_of, sides_of, variants_of
from ppi.serve.job_api import router as job_router
from ppi.serve.rows import json_rows
from ppi.serve.schemas import (
    Accepted,
    AdaptRequest,
    ComplexesRequest,
    ExplainRequest,
    Predictions,
    PredictRequest,
    ScanRequest,
    ScreenRequest,
    SuggestRequest,
    VariantsRequest,
)
from ppi.serve.work import Work, explain_work, scan_work, screen_work

router = APIRouter(prefix="/api/v1", responses=ERRORS)
router.include_router(job_router)


@router.get("/model", response_class=PlainTextResponse)
def model(request: Request) -> str:
    """Say what the model is, as `ppi info model` does."""
    return state_of(request).description


@router.post("/predict", response_model=Predictions)
async def predict(request: Request, body: PredictRequest) -> Response:
    """Predict pKd with its interval; a table in CSV for clients that accept `text/csv`."""
    state, limits = state_of(request), state_of(request).settings
    table = await run_in_threadpool(
        complexes_of, body, most=limits.max_complexes, most_residues=limits.max_residues
    )
    answer = state.batcher.submit(table, Options(body.temperature_kelvin, body.truncate))
    found = await asyncio.wrap_future(answer)
    state.metrics.residues(residues_of(table))
    if "text/csv" in request.headers.get("accept", ""):
        return csv_answer((format_csv(found) or "").encode(), "predictions.csv")
    return JSONResponse({"predictions": json_rows(found)})


@router.post("/scan", response_model=Accepted, status_code=202)
async def scan(request: Request, body: ScanRequest) -> Response:
    """Begin a scan of mutations."""
    table = await _job_complexes(request, body)
    return await _accepted(request, "scan", partial(scan_work, state_of(request).predictor, table, body))


@router.post("/explain", response_model=Accepted, status_code=202)
async def explain(request: Request, body: ExplainRequest) -> Response:
    """Begin to explain predictions."""
    table = await _job_complexes(request, body)
    return await _accepted(
        request, "explain", partial(explain_work, state_of(request).predictor, table, body)
    )


@router.post("/screen", response_model=Accepted, status_code=202)
async def screen(request: Request, body: ScreenRequest) -> Response:
    """Begin a screen of all pairs of ligands and receptors."""
    limits = state_of(request).settings
    ligands = await run_in_threadpool(sides_of, body.ligands, "ligand")
    receptors = await run_in_threadpool(sides_of, body.receptors, "receptor")
    check_screen(ligands, receptors, most_pairs=limits.max_screen_pairs, most_residues=limits.max_residues)
    work = partial(screen_work, state_of(request).predictor, ligands, receptors, body)
    return await _accepted(request, "screen", work)


@router.post("/adapt", response_model=Accepted, status_code=202)
async def adapt(request: Request, body: AdaptRequest) -> Response:
    """Begin to learn from measured variants, and to rank a pool if there is one."""
    given = await _variants(request, body)
    return await _accepted(request, "adapt", partial(adapt_work, state_of(request).predictor, given, body))


@router.post("/suggest", response_model=Accepted, status_code=202)
async def suggest(request: Request, body: SuggestRequest) -> Response:
    """Begin to choose which variants to measure next."""
    given = await _variants(request, body)
    return await _accepted(
        request, "suggest", partial(suggest_work, state_of(request).predictor, given, body)
    )


async def _variants(request: Request, body: VariantsRequest) -> MeasuredVariants:
    limits = state_of(request).settings
    return await run_in_threadpool(variants_of, body, most_measured=limits.max_measured, most=limits.max_pool)


async def _job_complexes(request: Request, body: ComplexesRequest) -> ComplexTable:
    limits = state_of(request).settings
    return await run_in_threadpool(
        complexes_of, body, most=limits.max_job_complexes, most_residues=limits.max_job_residues
    )


async def _accepted(request: Request, kind: str, work: Work) -> Response:
    begun = await run_in_threadpool(state_of(request).jobs.submit, kind, work)  # it may write to the disk
    where = f"{router.prefix}/jobs/{begun.id}"
    return JSONResponse(
        {"id": begun.id, "kind": kind, "state": begun.state}, 202, headers={"Location": where}
    )
