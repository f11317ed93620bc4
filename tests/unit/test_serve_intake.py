"""How many requests are open, and how much of their bodies: bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from ppi.serve.intake import Intake
from ppi.serve.refusals import RefusedError
from ppi.serve.settings import ServeSettings


def body_of(*parts: bytes) -> Callable[[], Coroutine[Any, Any, dict[str, Any]]]:
    """Return the messages of a body whose last part never comes."""
    messages = iter(parts)

    async def receive() -> dict[str, Any]:
        part = next(messages, None)
        if part is None:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": part, "more_body": True}

    return receive


def test_open_requests_have_a_limit() -> None:
    intake = Intake(ServeSettings(open_requests=1))
    first = intake.admit(body_of())
    with pytest.raises(RefusedError, match="1 requests are open") as refused:
        intake.admit(body_of())
    assert (refused.value.status_code, refused.value.headers) == (429, {"Retry-After": "2"})
    first.close()
    intake.admit(body_of())


def test_bodies_have_a_limit_together() -> None:
    intake = Intake(ServeSettings(open_bytes=10))
    first, second = (intake.admit(body_of(b"12345", b"1")) for _ in range(2))
    for body in (first, second):
        asyncio.run(body.receive())
    with pytest.raises(RefusedError, match="10 bytes of requests are open") as refused:
        asyncio.run(second.receive())
    assert refused.value.status_code == 429
    second.close()
    asyncio.run(first.receive())
    first.close()
    assert (intake._open, intake._bytes) == (0, 0)


def test_a_slow_body_is_not_waited_for() -> None:
    body = Intake(ServeSettings(body_seconds=1)).admit(body_of(b"1"))
    asyncio.run(body.receive())
    with pytest.raises(RefusedError, match="has not arrived within 1 s") as refused:
        asyncio.run(body.receive())
    assert refused.value.status_code == 408
