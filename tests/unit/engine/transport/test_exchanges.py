"""Answers read as they come, and requests sent before their calls, on real sockets."""

from __future__ import annotations

import socket

import pytest

from ftl.engine.transport import http
from ftl.engine.transport.sockets import Sockets
from tests.support.clock import run
from tests.support.engine_socket import served

EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "status", "reason", "body"),
    [
        (b"HTTP/1.1 404 Not here\r\nContent-Length: 3\r\n\r\nabc", 404, "Not here", b"abc"),
        (b"HTTP/1.0 200\n\nto the end...", 200, "", b"to the end"),
        (b"HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 None\r\n\r\n", 204, "None", b""),
        (b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 500, "Oops", b"a"),
    ],
)
def test_an_answer_whose_body_is_read_as_it_comes(
    answer: bytes, status: int, reason: str, body: bytes
) -> None:
    """Status, reason and body; interim answers are passed over, and a line may end with a newline alone."""

    async def work() -> None:
        async with served(answer) as (_, url):
            sockets = Sockets(url, [])
            async with http.stream(sockets, http.Request("/x"), seconds=5) as answered:
                assert (answered.status, answered.reason) == (status, reason)
                assert b"".join([piece async for piece in answered.pieces]) == body

    run(work())


def test_a_body_that_breaks_off_while_it_is_read_is_an_error() -> None:
    """Not the end of it."""

    async def work() -> None:
        async with (
            served(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc...") as (_, url),
            http.stream(Sockets(url, []), http.Request("/x"), seconds=5) as answered,
        ):
            with pytest.raises(ConnectionResetError):
                [piece async for piece in answered.pieces]

    run(work())


def early_exchange(url: str, target: str) -> tuple[bytes, socket.socket]:
    """A request that was sent before its call is made."""
    request = http.Request(target).encoded()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(url.removeprefix("unix://"))
    connection.sendall(request)
    connection.setblocking(False)
    return request, connection


def test_a_request_that_was_sent_before_the_call_is_not_sent_again() -> None:
    """Once: the next call, one that must be fresh, and one of another target send theirs."""

    async def work() -> None:
        async with served() as (server, url):
            server.answer_by_path({"/x": EMPTY, "/y": EMPTY})
            sockets = Sockets(url, [], [early_exchange(url, "/x")])
            counts = []
            for request in (
                http.Request("/y"),
                http.Request("/x", is_fresh=True),
                http.Request("/x"),
                http.Request("/x"),
            ):
                await http.send(sockets, request)
                counts.append(len(server.requests))
            sockets.close()
            assert counts == [2, 3, 3, 4]
            assert sockets.asked == [http.Request(target).encoded() for target in ("/y", "/x", "/x")]

    run(work())


def test_an_early_request_whose_connection_broke_is_sent_again() -> None:
    """The master that carried it may have ended meanwhile."""

    async def work() -> None:
        async with served(b"HTTP/1.1 200 OK...", EMPTY) as (server, url):
            sockets = Sockets(url, [], [early_exchange(url, "/x")])
            assert (await http.send(sockets, http.Request("/x"))).status == 204
            sockets.close()
            assert server.requests == ["/x", "/x"]

    run(work())


def test_early_requests_that_nobody_asks_for_are_closed() -> None:
    """With the session, like idle connections."""

    async def work() -> None:
        async with served(EMPTY) as (_, url):
            exchange = early_exchange(url, "/x")
            Sockets(url, [], [exchange]).close()
            assert exchange[1].fileno() == -1

    run(work())
