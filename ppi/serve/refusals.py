"""Why a request is refused: a status of HTTP, and one sentence."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from fastapi import HTTPException
from starlette.responses import JSONResponse

from data_curation.errors import CurationError
from heads.suggestions import did_you_mean
from ppi.errors import InputError, PpiError, SettingsError

_LOG = logging.getLogger(__name__)
#: Seconds after which a client should ask a full server again.
RETRY_SECONDS = 2
#: Characters of a wrong value that an error repeats.
_SHOWN = 60


class RefusedError(HTTPException):
    """A request that is not answered; FastAPI passes errors of this family on while it reads a body.

    Parameters
    ----------
    status
        Status code of HTTP.
    sentence
        What is wrong, what is allowed, what to do.
    headers
        More headers of the answer.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, sentence, dict(headers or {}))

    def response(self) -> JSONResponse:
        """Return the answer."""
        return JSONResponse({"error": self.detail}, self.status_code, self.headers)


def full(what: str, most: int, state: str = "waiting") -> RefusedError:
    """Return the refusal of a server that has as many `what` waiting as it allows."""
    return RefusedError(
        429,
        f"{most:,} {what} are {state}, which is the limit; try again in {RETRY_SECONDS} seconds",
        {"Retry-After": str(RETRY_SECONDS)},
    )


def of_error(error: PpiError | CurationError) -> RefusedError:
    """Return the refusal that says what the command line says; only wrong input is the client's fault."""
    if isinstance(error, (InputError, SettingsError, CurationError)):
        return RefusedError(422, str(error))
    _LOG.error("a request failed: %s", error)
    return RefusedError(500, str(error))


def of_validation(errors: list[Any], fields: Collection[str] = ()) -> RefusedError:
    """Return the refusal of a body that has another form.

    Parameters
    ----------
    errors
        Those of pydantic.
    fields
        Names of the fields of the body.
    """
    first = errors[0]
    if first["type"] == "json_invalid":
        return RefusedError(400, f"the body is not JSON ({first['ctx']['error']}); send a JSON object")
    if first["type"] == "extra_forbidden":
        return RefusedError(422, _unknown_field(first["loc"][1:], fields))
    where = ".".join(map(str, first["loc"][1:])) or "the body"
    message = first["msg"].removeprefix("Value error, ")
    given = first.get("input")
    got = "" if given is None or isinstance(given, (dict, list)) else f", got {_short(given)}"
    return RefusedError(422, f"{where}: {message}{got}")


def _unknown_field(place: Sequence[Any], fields: Collection[str]) -> str:
    *inside, name = map(str, place)
    if inside:
        return f"{'.'.join(inside)}: unknown field {name!r}; /api/v1/openapi.json describes the fields"
    return f"unknown field {name!r}" + (did_you_mean(name, fields) or f"; the fields are {', '.join(fields)}")


def _short(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
