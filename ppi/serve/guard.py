"""What every request must be, before anything reads it, and what every answer says to browsers."""

from __future__ import annotations

import ipaddress
import logging
import secrets
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ppi.serve.intake import Intake, too_large
from ppi.serve.metrics import Metrics
from ppi.serve.refusals import RefusedError
from ppi.serve.settings import ServeSettings

_LOG = logging.getLogger(__name__)
API = "/api/"
#: Content security policy of the page and of data. The report of a job holds its figures as `data:` images.
CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Middleware: host, token, type and size of each request; headers of each answer; counts.

    Parameters
    ----------
    app
        What answers.
    settings
        What is allowed.
    metrics
        Where requests are counted.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._intake = Intake(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        started = time.perf_counter()
        try:
            self._check(scope)
            await self._pass_on(scope, receive, answer)
        except RefusedError as refusal:
            await answer.refuse(refusal, scope, receive)
        except Exception:
            _LOG.exception("%s %s failed", scope["method"], scope["path"])
            await answer.refuse(RefusedError(500, "the server failed; its log says more"), scope, receive)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if route != "other" else "any"
            self._metrics.request(method, route, answer.status, time.perf_counter() - started)

    async def _pass_on(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        body = self._intake.admit(receive)
        try:
            await self._app(scope, body.receive, answer.send)
        finally:
            body.close()

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._check_host(headers.get("host", ""))
        self._check_token(scope["path"], headers.get("authorization", ""))
        self._check_body(scope["method"], headers)

    def _check_body(self, method: str, headers: Headers) -> None:
        """Refuse a body that is compressed, too large by its own account, or of another type."""
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise RefusedError(415, "the body is compressed; send it as plain JSON")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > self._settings.max_body_bytes:
            raise too_large(self._settings.max_body_bytes)
        has_body = length != "0" or "transfer-encoding" in headers
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if method == "POST" and has_body and kind != "application/json":
            raise RefusedError(415, f"the content type is {kind[:60]!r}; send application/json")

    def _check_host(self, given: str) -> None:
        """Refuse names of hosts that are not ours: a foreign page may have pointed its own name to us."""
        try:
            name = urlsplit(f"//{given}").hostname or ""
        except ValueError:
            name = ""
        if not (name in ("localhost", *self._settings.host_names) or _is_address(name)):
            raise RefusedError(
                421,
                f"this server does not answer for the host {given[:60]!r}; use its address, or start it with "
                "--host-name NAME",
            )

    def _check_token(self, path: str, given: str) -> None:
        token = self._settings.token
        if token is None or not (path.startswith(API) or path == "/metrics"):
            return
        scheme, _, sent = given.partition(" ")
        if scheme.lower() != "bearer" or not secrets.compare_digest(sent.strip().encode(), token.encode()):
            raise RefusedError(
                401,
                "this server asks for its token; send the header Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )


class _Answer:
    """Adds headers to an answer, and remembers its status."""

    def __init__(self, send: Send) -> None:
        self._send, self.status, self._begun = send, 500, False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self._begun = message["status"], True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def refuse(self, refusal: RefusedError, scope: Scope, receive: Receive) -> None:
        if not self._begun:
            await refusal.response()(scope, receive, self.send)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
