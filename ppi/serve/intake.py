"""How many requests are open, and how much of their bodies is held: bounded, whatever clients send."""

from __future__ import annotations

import asyncio
import time

from starlette.types import Message, Receive

from ppi.serve.refusals import RefusedError, full
from ppi.serve.settings import ServeSettings


class Intake:
    """Counts open requests and the bytes of their bodies; the event loop alone uses it.

    Parameters
    ----------
    settings
        Limits for one request and for all open ones.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._open = self._bytes = 0

    def admit(self, receive: Receive) -> Body:
        """Return the body of a request that has just come; close it once the request is answered.

        Raises
        ------
        RefusedError
            If too many requests are open.
        """
        if self._open >= self._settings.open_requests:
            raise full("requests", self._settings.open_requests, "open")
        self._open += 1
        return Body(receive, self, self._settings)

    def hold(self, size: int) -> None:
        """Count bytes that have come.

        Raises
        ------
        RefusedError
            If the bodies of all open requests are too large together.
        """
        self._bytes += size
        if self._bytes > self._settings.open_bytes:
            raise full("bytes of requests", self._settings.open_bytes, "open")

    def release(self, size: int) -> None:
        """Count a request as answered, and its bytes as free."""
        self._open -= 1
        self._bytes -= size


class Body:
    """Receives the body of a request, up to a size and for a limited time.

    Parameters
    ----------
    receive
        Next message of the request.
    intake
        Counts the bytes of all requests.
    settings
        Limits.
    """

    def __init__(self, receive: Receive, intake: Intake, settings: ServeSettings) -> None:
        self._receive, self._intake, self._settings = receive, intake, settings
        self._bytes, self._complete = 0, False
        self._ends = time.monotonic() + settings.body_seconds

    async def receive(self) -> Message:
        """Return the next message.

        Raises
        ------
        RefusedError
            If the body is too large or too slow, whatever length it announces.
        """
        if self._complete:  # From now on only the end of the connection can come, at any time.
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._ends - time.monotonic()))
        except asyncio.TimeoutError as error:
            raise RefusedError(
                408,
                f"the body has not arrived within {self._settings.body_seconds} s; send it again, or a "
                "smaller one",
                {"Connection": "close"},
            ) from error
        size = len(message.get("body", b""))
        self._bytes += size
        self._intake.hold(size)
        if self._bytes > self._settings.max_body_bytes:
            raise too_large(self._settings.max_body_bytes)
        self._complete = not message.get("more_body", False)
        return message

    def close(self) -> None:
        """Give the room of the request back."""
        self._intake.release(self._bytes)


def too_large(most: int) -> RefusedError:
    """Return the refusal of a body that has more bytes than allowed."""
    return RefusedError(
        413, f"the body is too large; this server reads {most:,} bytes at most", {"Connection": "close"}
    )
