"""Reads over HTTP/1.1, against real sockets."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys

import pytest

from ftl.engine.api import Engine
from ftl.engine.client import OUR_API
from ftl.engine.transport import http, reader
from ftl.engine.transport.reader import MalformedResponse
from ftl.engine.transport.sockets import NotConnected, Sockets
from ftl.errors import EngineError, EngineUnavailable
from tests.support.clock import run
from tests.support.engine_socket import served

INFO = b'HTTP/1.1 200 OK\r\nApi-Version: 1.47\r\nContent-Length: 24\r\n\r\n{"ServerVersion":"27.0"}'
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


def body_of(answer: bytes) -> bytes:
    """The body that is read from an answer."""

    async def work() -> bytes:
        async with served(answer) as (_, url):
            sockets = Sockets(url, [])
            found = await http.send(sockets, http.Request("/x"))
            sockets.close()
            return found.body

    return run(work())


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
            b"abcde",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nTrailer: 1\r\n\r\n", b"a"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.0 200\r\n\r\nto the end...", b"to the end"),
    ],
)
def test_the_ways_to_send_a_body(answer: bytes, body: bytes) -> None:
    """Bodies of known length, in chunks, without one, and up to the end of the connection."""
    assert body_of(answer) == body


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"x" * 70_000,
    ],
)
def test_an_answer_that_is_not_http(answer: bytes) -> None:
    """Another protocol is an error, and no endless wait."""
    with pytest.raises(MalformedResponse):
        body_of(answer)


@pytest.mark.parametrize(
    "answer",
    [b"...", b"HTTP/1.1 200 OK\r\n...", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc..."],
)
def test_an_answer_that_breaks_off(answer: bytes) -> None:
    """A body that is shorter than announced is an error."""
    with pytest.raises(ConnectionError):
        body_of(answer)


def test_connections_are_used_again() -> None:
    """Calls one after the other share a connection; one that the engine has closed is replaced."""

    async def work() -> tuple[int, list[str]]:
        async with served(INFO, INFO, INFO + b"...", INFO) as (server, url):
            sockets = Sockets(url, [])
            for number in range(4):
                await http.send(sockets, http.Request(f"/{number}"))
                await asyncio.sleep(0.01)
            sockets.close()
            return server.connections, server.requests

    assert run(work()) == (2, ["/0", "/1", "/2", "/3"])


def test_nothing_listens() -> None:
    """A missing socket is told apart from a connection that breaks."""
    with pytest.raises(NotConnected):
        run(http.send(Sockets("unix:///tmp/ftl-no-such-socket", []), http.Request("/")))


def test_a_read_of_an_engine() -> None:
    """Paths and queries are encoded, and have a version once it is known; an error has its status and message."""
    refusal = b'HTTP/1.1 500 Oops\r\nContent-Length: 18\r\n\r\n{"message":"full"}'

    async def work() -> list[str]:
        listed = b"HTTP/1.1 200 OK\r\nApi-Version: 1.47\r\nContent-Length: 2\r\n\r\n[]"
        missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}"
        async with (
            served(listed, INFO, missing, refusal) as (server, url),
            Engine(url, name="shop") as engine,
        ):
            assert await engine.containers(labels={"ftl.project": "a b"}) == []
            assert (await engine.info()).api == "1.47"
            assert await engine.get_archive("ftl-state", "/ftl/shop") is None
            with pytest.raises(EngineError, match="the engine on shop could not list its images") as caught:
                await engine.images()
            assert (caught.value.status, caught.value.cause) == (500, "full")
            return server.requests

    assert run(work()) == [
        "/containers/json?all=1&filters=%7B%22label%22%3A+%5B%22ftl.project%3Da+b%22%5D%7D",
        "/info",
        "/containers/ftl-state/archive?path=%2Fftl%2Fshop",
        "/images/json",
    ]


def streamed(answer: bytes) -> bytes:
    """The body that is read from an answer as it comes."""

    async def work() -> bytes:
        async with served(answer) as (_, url):
            sockets = Sockets(url, [])
            async with http.stream(sockets, http.Request("/x"), seconds=5) as (_, _, _, pieces):
                return b"".join([piece async for piece in pieces])

    return run(work())


LINES = b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in (1, 20, 70_000, 300_000, 2))


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + LINES + b"0\r\n\r\n", b"x" * 370_023),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n\r\n\r\n0\r\n", b"\r\n"),
        (b"HTTP/1.0 200\r\n\r\nto the end...", b"to the end"),
    ],
)
def test_a_body_is_read_as_it_comes(answer: bytes, body: bytes) -> None:
    """In whatever parts its chunks arrive."""
    assert streamed(answer) == body


@pytest.mark.parametrize(
    ("rest", "error"),
    [
        (b"zz\r\n", MalformedResponse),
        (b"x" * 70_000, MalformedResponse),
        (b"3\r\nab...", ConnectionError),
        (b"3\r\nabc\r\n...", ConnectionError),
    ],
)
def test_a_stream_that_breaks_off(rest: bytes, error: type[Exception]) -> None:
    """It does not end like one that is whole."""
    with pytest.raises(error):
        streamed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + rest)


def test_a_log_is_followed_line_by_line() -> None:
    """Its lines are there before its end; a container that is gone has the engine's message."""
    first = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n\1\0\0\0\0\0\0\2a\n\r\n"
    gone = b'HTTP/1.1 404 Not Found\r\nContent-Length: 18\r\n\r\n{"message":"gone"}'

    async def work() -> list[str]:
        async with served(INFO, first, gone) as (server, url), Engine(url, name="shop") as engine:
            lines = engine.logs("web", follow=True, tail=1, timestamps=False)
            assert (await anext(lines)).text == "a"
            await lines.aclose()
            with pytest.raises(EngineError, match="could not read the log of web") as caught:
                await anext(engine.logs("web"))
            assert (caught.value.status, caught.value.cause) == (404, "gone")
            return server.requests

    assert run(work())[1:] == [
        "/v1.47/containers/web/logs?stdout=1&stderr=1&timestamps=0&follow=1&tail=1",
        "/v1.47/containers/web/logs?stdout=1&stderr=1&timestamps=1&follow=0",
    ]


def test_an_engine_that_is_newer_than_we_know() -> None:
    """A first answer in a version that is too new is asked for again in the newest one that we know."""
    new = b"HTTP/1.1 200 OK\r\nApi-Version: 1.99\r\nContent-Length: 2\r\n\r\n[]"

    async def work() -> list[str]:
        async with served(new, new) as (server, url), Engine(url, name="shop") as engine:
            assert await engine.networks() == []
            return server.requests

    assert run(work()) == ["/networks", f"/v{OUR_API[0]}.{OUR_API[1]}/networks"]


def test_an_engine_that_hangs_up() -> None:
    """A connection that closes without an answer means that the engine is unavailable."""

    async def work() -> None:
        async with served(b"...", b"...") as (_, url), Engine(url, name="shop") as engine:
            await engine.info()

    with pytest.raises(EngineUnavailable, match="was lost"):
        run(work())


def test_calls_that_change_something() -> None:
    """They have the engine's API version, and a body of JSON; an answer without a body is none."""
    created = b'HTTP/1.1 201 Created\r\nContent-Length: 11\r\n\r\n{"Id":"1f"}'

    async def work() -> list[str]:
        async with (
            served(INFO, EMPTY, created, EMPTY, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]") as (
                server,
                url,
            ),
            Engine(url, name="shop") as engine,
        ):
            await engine.tag("sha256:1", "shop-web:r1")
            assert await engine.create_raw("web", {}) == "1f"
            await engine.remove("web", force=True)
            await engine.untag("shop-web:r1")
            return server.requests

    assert run(work()) == [
        "/info",
        "/v1.47/images/sha256:1/tag?repo=shop-web&tag=r1",
        "/v1.47/containers/create?name=web",
        "/v1.47/containers/web?force=1&v=1",
        "/v1.47/images/shop-web:r1",
    ]


@pytest.mark.parametrize("gone", [True, False])
def test_a_tag_that_another_removal_took(gone: bool) -> None:
    """The engine refuses one of two removals at once; where the tag is gone, that is no error."""
    said = b'{"message":"unrecognized image ID sha256:fe"}'
    refused = b"HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said)
    missing = b'HTTP/1.1 404 Not Found\r\nContent-Length: 16\r\n\r\n{"message":"no"}'
    image = (
        b'{"Id":"sha256:fe","RootFS":{"Layers":[]},"Config":{},"Os":"linux","Architecture":"amd64","Size":1}'
    )
    present = b"HTTP/1.1 200 OK\r\nApi-Version: 1.47\r\nContent-Length: %d\r\n\r\n%b" % (len(image), image)

    async def work() -> None:
        async with (
            served(INFO, refused, missing if gone else present) as (_, url),
            Engine(url, name="shop") as engine,
        ):
            await engine.untag("shop-web:r1")

    if gone:
        run(work())
    else:
        with pytest.raises(EngineError, match=r"remove shop-web:r1") as caught:
            run(work())
        assert caught.value.status == 500


def test_a_call_on_a_connection_that_was_closed() -> None:
    """One that may be made twice is repeated; one that creates something is not."""

    async def work(request: http.Request) -> int:
        async with served(b"...", EMPTY) as (server, url):
            sockets = Sockets(url, [])
            sockets.give_back(await sockets.connect())
            try:
                await http.send(sockets, request)
            finally:
                sockets.close()
            return server.connections

    assert run(work(http.Request("/x", "DELETE"))) == 2
    with pytest.raises(ConnectionError):
        run(work(http.Request("/x", "POST", b"{}", is_repeatable=False)))


def test_reads_load_no_http_library() -> None:
    """Importing the engine's client loads neither aiohttp nor aiodocker."""
    code = (
        "import sys, ftl.engine.api, ftl.host.session, ftl.operations.views.status\n"
        "print({'aiohttp', 'aiodocker', 'ssl'} & {*sys.modules} - {'ssl'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_long_answer_leaves_time_for_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that finds data each time gives way: a log of many lines must not hold up all else."""
    monkeypatch.setattr(reader, "_PIECE", 1000)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def work() -> None:
        ours, engine = socket.socketpair()
        with ours, engine:
            ours.setblocking(False)
            chunk = b"3e8\r\n" + bytes(1000) + b"\r\n"
            head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            asyncio.get_running_loop().call_later(0.01, engine.sendall, head + chunk * 50 + b"0\r\n\r\n")
            async with http.stream(Sockets("unix:///none", [ours]), http.Request("/x"), seconds=5) as (
                *_,
                pieces,
            ):
                other = asyncio.create_task(count())
                assert sum([len(piece) async for piece in pieces]) == 50_000
                other.cancel()

    run(work())
    assert turns > 40
