"""Progress of a push, read from the engine's answer."""

from __future__ import annotations

import pytest

from ftl.engine.api import Engine
from ftl.errors import EngineError, EngineUnavailable
from tests.support.clock import run
from tests.support.engine_socket import served
from tests.unit.engine.transport.test_http import INFO


def pushed(*chunks: bytes) -> list[str]:
    """The progress that a push reports which is answered in chunks."""
    encoded = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + encoded

    async def work() -> list[str]:
        async with served(INFO, answer + b"0\r\n\r\n") as (server, url), Engine(url, name="shop") as engine:
            found = [
                update.status async for update in engine.push("127.0.0.1:5000/web:1", auth={"username": "x"})
            ]
            assert server.requests[1] == "/v1.47/images/127.0.0.1:5000/web/push?tag=1"
            return found

    return run(work())


def test_the_progress_of_a_push() -> None:
    """Lines may be divided in any way."""
    assert pushed(b'{"status":"a"}\r\n{"sta', b'tus":"b"}\r\n', b'{"status":"c"}') == ["a", "b", "c"]


def test_an_error_within_the_progress() -> None:
    """It is the engine's error, though its answer began with success."""
    with pytest.raises(EngineError, match="could not push") as caught:
        pushed(b'{"status":"a"}\r\n', b'{"errorDetail":{"message":"denied"},"error":"denied"}\r\n')
    assert caught.value.cause == "denied"


def test_a_push_that_is_refused() -> None:
    """The engine's message is the cause."""
    answer = b'HTTP/1.1 404 Not Found\r\nContent-Length: 18\r\n\r\n{"message":"none"}'

    async def work() -> None:
        async with served(INFO, answer) as (_, url), Engine(url, name="shop") as engine:
            async for _ in engine.push("127.0.0.1:5000/web:1"):
                pass

    with pytest.raises(EngineError) as caught:
        run(work())
    assert (caught.value.status, caught.value.cause) == (404, "none")


def test_progress_that_breaks_off() -> None:
    """The end of the connection is not that of the push."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{..."

    async def work() -> None:
        async with served(INFO, answer) as (_, url), Engine(url, name="shop") as engine:
            async for _ in engine.push("127.0.0.1:5000/web:1"):
                pass

    with pytest.raises(EngineUnavailable, match="was lost"):
        run(work())
