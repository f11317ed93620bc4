"""What several routes of the interface share."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import Response

from ppi.serve.schemas import ErrorAnswer
from ppi.serve.state import State

#: Errors that any address of the interface may answer with.
ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": ErrorAnswer} for code in (400, 401, 404, 405, 408, 409, 413, 415, 421, 422, 429, 500, 507)
}


def state_of(request: Request) -> State:
    """Return what the routes of the server share."""
    state: State = request.app.state.ppi
    return state


def csv_answer(content: bytes, name: str) -> Response:
    """Return a table that browsers save as a file."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="text/csv", headers=headers)
