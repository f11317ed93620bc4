"""The application: routes, what guards them, and how errors are answered."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from data_curation.errors import CurationError
from ppi.errors import PpiError
from ppi.prediction.predictor import Predictor
from ppi.provenance import package_version
from ppi.serve.api import router
from ppi.serve.guard import Guard
from ppi.serve.refusals import RefusedError, of_error, of_validation
from ppi.serve.schemas import Acquisition, Liability
from ppi.serve.settings import ServeSettings
from ppi.serve.state import State

_HERE = Path(__file__).parent
_TABS = {
    "predict": "Predict",
    "scan": "Scan mutations",
    "screen": "Screen",
    "explain": "Explain",
    "adapt": "Learn from variants",
}


def create_app(predictor: Predictor, settings: ServeSettings | None = None, description: str = "") -> FastAPI:
    """Return the application; its threads stop when its lifespan ends.

    Parameters
    ----------
    predictor
        What predicts.
    settings
        Limits, and the token.
    description
        What the model is, as text.
    """
    settings = settings or ServeSettings()
    state = State.begin(predictor, settings, description)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        state.close()

    app = FastAPI(
        title="ppi",
        summary="Protein-protein binding affinity from sequence",
        version=package_version(),
        lifespan=lifespan,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
    )
    app.state.ppi = state
    app.include_router(router)
    _add_pages(app, state)
    _add_errors(app)
    app.add_middleware(Guard, settings=settings, metrics=state.metrics)
    return app


def _add_pages(app: FastAPI, state: State) -> None:
    templates = Jinja2Templates(_HERE / "templates")
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")

    @app.get("/", response_class=HTMLResponse, include_in_schema=False)
    def page(request: Request) -> Response:
        values = {
            "version": package_version(),
            "model": state.predictor.trained.name,
            "limits": state.settings,
            "asks_for_token": state.settings.token is not None,
            "tabs": _TABS,
            "acquisitions": get_args(Acquisition),
            "liabilities": get_args(Liability),
        }
        return templates.TemplateResponse(request, "page.html", values)

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """Say that the server is up and its model loaded."""
        return {"status": "ok"}

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> str:
        """Return figures about the server, as Prometheus reads them."""
        return state.metrics.text(state.batcher.waiting, state.jobs.counts())


def _add_errors(app: FastAPI) -> None:
    async def answer(request: Request, error: Exception) -> Response:
        response = _refusal_of(error, request).response()
        if response.status_code == 405:
            response.headers["Allow"] = _allowed(app, request.url.path)
        return response

    for kind in (RefusedError, PpiError, CurationError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


def _allowed(app: FastAPI, path: str) -> str:
    """Return the methods of an address; Starlette names those of its first route only."""
    described = app.openapi()["paths"].items()
    fitting = (methods for form, methods in described if re.fullmatch(re.sub(r"{\w+}", "[^/]+", form), path))
    return ", ".join(sorted(method.upper() for methods in fitting for method in methods)) or "GET"


def _fields_of(request: Request) -> list[str]:
    """Return the names of the fields of the body that an address takes."""
    body = getattr(request.scope.get("route"), "body_field", None)
    return list(getattr(body and body.field_info.annotation, "model_fields", ()))


def _refusal_of(error: Exception, request: Request) -> RefusedError:
    if isinstance(error, RefusedError):
        return error
    if isinstance(error, (PpiError, CurationError)):
        return of_error(error)
    if isinstance(error, RequestValidationError):
        return of_validation(list(error.errors()), _fields_of(request))
    if isinstance(error, HTTPException):
        sentences = {
            400: "the body cannot be read; send a JSON object that is not nested deeply",
            404: "there is nothing at this address; /api/v1/openapi.json describes all addresses",
            405: "this method is not allowed here; /api/v1/openapi.json describes what is",
        }
        return RefusedError(
            error.status_code, sentences.get(error.status_code, str(error.detail)), error.headers
        )
    raise error
